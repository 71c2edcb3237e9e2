CREATE TABLE workflow_deletions (
    workflow_uid TEXT NOT NULL PRIMARY KEY,
    workflow TEXT NOT NULL,
    operation TEXT NOT NULL,
    create_time BIGINT NOT NULL
);
CREATE INDEX workflow_executions_unfinished ON workflow_executions (workflow_uid, state) WHERE state IN ('QUEUED', 'ACTIVE');
ALTER TABLE workflow_executions ADD COLUMN end_time BIGINT;
UPDATE workflow_executions SET end_time = start_time WHERE state NOT IN ('QUEUED', 'ACTIVE');
CREATE INDEX workflow_executions_ended ON workflow_executions (end_time) WHERE end_time IS NOT NULL;
