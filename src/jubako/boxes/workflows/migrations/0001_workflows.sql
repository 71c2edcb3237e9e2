CREATE TABLE workflows (
    project TEXT NOT NULL,
    location TEXT NOT NULL,
    workflow TEXT NOT NULL,
    uid TEXT NOT NULL,
    revisions BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (project, location, workflow)
);
CREATE TABLE workflow_revisions (
    workflow_uid TEXT NOT NULL,
    revision_id TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (workflow_uid, revision_id)
);
CREATE TABLE workflow_executions (
    project TEXT NOT NULL,
    location TEXT NOT NULL,
    workflow TEXT NOT NULL,
    execution TEXT NOT NULL,
    workflow_uid TEXT NOT NULL,
    state TEXT NOT NULL,
    needs_engine BIGINT NOT NULL,
    start_time BIGINT NOT NULL,
    document TEXT NOT NULL,
    current_steps TEXT NOT NULL,
    snapshot TEXT,
    snapshot_seq BIGINT NOT NULL,
    PRIMARY KEY (project, location, workflow, execution)
);
CREATE UNIQUE INDEX workflow_executions_by_id ON workflow_executions (execution);
CREATE INDEX workflow_executions_open ON workflow_executions (needs_engine, start_time);
CREATE TABLE workflow_journal (
    execution TEXT NOT NULL,
    seq BIGINT NOT NULL,
    time BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (execution, seq)
);
CREATE TABLE workflow_arrivals (
    execution TEXT NOT NULL,
    path TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (execution, path)
);
CREATE TABLE workflow_execution_labels (
    execution TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (execution, key)
);
CREATE INDEX workflow_execution_labels_by_value ON workflow_execution_labels (key, value);
