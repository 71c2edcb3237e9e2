-- Public halves of the key files that were given away.
CREATE TABLE service_account_keys (
    key_id TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    public_key TEXT NOT NULL,
    create_time BIGINT NOT NULL
);
