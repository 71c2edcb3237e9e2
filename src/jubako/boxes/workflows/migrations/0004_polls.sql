CREATE TABLE workflow_polls (
    execution TEXT NOT NULL,
    path TEXT NOT NULL,
    due BIGINT NOT NULL,
    topic TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (execution, path)
);
CREATE INDEX workflow_polls_by_due ON workflow_polls (due);
CREATE INDEX workflow_polls_by_topic ON workflow_polls (topic) WHERE topic > '';
