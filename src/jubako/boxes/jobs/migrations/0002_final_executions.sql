-- Every run of a job asks which of its executions are too many: answered from the index alone, not from a thousand rows.
CREATE INDEX job_executions_final ON job_executions (project, location, job, created DESC, execution, uid, state)
    WHERE state NOT IN ('active', 'cancelling');
