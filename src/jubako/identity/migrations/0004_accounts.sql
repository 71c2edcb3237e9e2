ALTER TABLE service_accounts ADD COLUMN display_name TEXT NOT NULL DEFAULT '';
