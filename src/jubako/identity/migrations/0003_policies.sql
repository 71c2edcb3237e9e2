CREATE TABLE iam_policies (
    uid TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
