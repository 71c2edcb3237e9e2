ALTER TABLE job_tasks ADD COLUMN output_bytes BIGINT;
ALTER TABLE job_attempts ADD COLUMN output_bytes BIGINT;
