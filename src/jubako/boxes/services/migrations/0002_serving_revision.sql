ALTER TABLE services ADD COLUMN serving_revision TEXT NOT NULL DEFAULT '';
