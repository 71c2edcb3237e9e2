CREATE TABLE workflow_snapshots (
    execution TEXT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    state TEXT NOT NULL
);
INSERT INTO workflow_snapshots (execution, seq, state)
    SELECT execution, snapshot_seq, snapshot FROM workflow_executions WHERE snapshot IS NOT NULL;
ALTER TABLE workflow_executions DROP COLUMN snapshot;
ALTER TABLE workflow_executions DROP COLUMN snapshot_seq;
DROP INDEX workflow_executions_open;
CREATE INDEX workflow_executions_open ON workflow_executions (start_time) WHERE needs_engine = 1;
