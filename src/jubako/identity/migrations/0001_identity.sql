-- Service accounts that were used, and the loopback port of each home's metadata server.
CREATE TABLE service_accounts (
    email TEXT PRIMARY KEY,
    create_time BIGINT NOT NULL
);
CREATE TABLE metadata_ports (
    project TEXT NOT NULL,
    location TEXT NOT NULL,
    account TEXT NOT NULL,
    port BIGINT NOT NULL,
    PRIMARY KEY (project, location, account)
);
