CREATE TABLE workflow_callbacks (
    execution TEXT NOT NULL,
    callback TEXT NOT NULL,
    method TEXT NOT NULL,
    payload TEXT,
    PRIMARY KEY (execution, callback)
);
CREATE TABLE workflow_callback_waiters (
    execution TEXT NOT NULL,
    path TEXT NOT NULL,
    callback TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (execution, path)
);
