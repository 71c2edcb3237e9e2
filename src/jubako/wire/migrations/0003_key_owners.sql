ALTER TABLE idempotency ADD COLUMN owner TEXT NOT NULL DEFAULT '';
CREATE INDEX idempotency_by_owner ON idempotency (owner) WHERE owner > '';
