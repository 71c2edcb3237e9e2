CREATE TABLE iam_roles (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    version BIGINT NOT NULL,
    deleted BIGINT
);
