-- Log entries that programs wrote through Cloud Logging, and those of workflows.
CREATE TABLE log_entries (
    project TEXT NOT NULL,
    time BIGINT NOT NULL,
    insert_id TEXT NOT NULL,
    log_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (project, time, insert_id, log_id)
);
