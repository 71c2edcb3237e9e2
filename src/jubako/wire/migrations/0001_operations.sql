CREATE TABLE operations (
    name TEXT PRIMARY KEY,
    api TEXT NOT NULL,
    parent TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    metadata TEXT NOT NULL,
    done BIGINT NOT NULL,
    response TEXT,
    error_code BIGINT,
    error_message TEXT,
    update_time BIGINT NOT NULL
);
CREATE INDEX operations_by_parent ON operations (api, parent, name);
CREATE INDEX operations_by_age ON operations (done, update_time);
