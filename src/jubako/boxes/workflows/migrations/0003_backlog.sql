CREATE TABLE workflow_active (
    one BIGINT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO workflow_active (one, number) SELECT 1, COUNT(*) FROM workflow_executions WHERE state = 'ACTIVE';
CREATE INDEX workflow_executions_queued ON workflow_executions (start_time) WHERE state = 'QUEUED';
