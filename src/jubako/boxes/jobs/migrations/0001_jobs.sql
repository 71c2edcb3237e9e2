CREATE TABLE jobs (
    project TEXT NOT NULL,
    location TEXT NOT NULL,
    job TEXT NOT NULL,
    uid TEXT NOT NULL UNIQUE,
    generation BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    execution_count BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (project, location, job)
);
CREATE TABLE job_executions (
    project TEXT NOT NULL,
    location TEXT NOT NULL,
    job TEXT NOT NULL,
    execution TEXT NOT NULL,
    uid TEXT NOT NULL UNIQUE,
    generation BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    started BIGINT,
    completed BIGINT,
    state TEXT NOT NULL,
    task_count BIGINT NOT NULL,
    parallelism BIGINT NOT NULL,
    retries_max BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    queued BIGINT NOT NULL,
    running BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    retried BIGINT NOT NULL,
    failed_task BIGINT,
    run_operation TEXT NOT NULL,
    cancel_operation TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (project, location, job, execution)
);
CREATE INDEX job_executions_by_age ON job_executions (project, location, job, created DESC, execution);
CREATE INDEX job_executions_under_way ON job_executions (created) WHERE state IN ('active', 'cancelling');
CREATE TABLE job_tasks (
    execution_uid TEXT NOT NULL,
    task_index BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    retries BIGINT NOT NULL,
    scheduled BIGINT,
    started BIGINT,
    attempt_started BIGINT,
    completed BIGINT,
    reason TEXT,
    exit_code BIGINT,
    term_signal BIGINT,
    detail TEXT,
    PRIMARY KEY (execution_uid, task_index)
);
CREATE INDEX job_tasks_pending ON job_tasks (execution_uid, task_index) WHERE state = 'pending';
CREATE TABLE job_attempts (
    execution_uid TEXT NOT NULL,
    task_index BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    started BIGINT,
    ended BIGINT NOT NULL,
    reason TEXT NOT NULL,
    exit_code BIGINT,
    term_signal BIGINT,
    detail TEXT NOT NULL,
    PRIMARY KEY (execution_uid, task_index, attempt)
);
