CREATE TABLE timers (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX timers_by_due ON timers (due);
CREATE TABLE outbox (
    seq {{serial}},
    topic TEXT NOT NULL,
    payload TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due BIGINT NOT NULL
);
CREATE INDEX outbox_by_due ON outbox (due);
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
