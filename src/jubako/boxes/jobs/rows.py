"""What is stored of jobs and executions, and the transaction functions that move it.

1. Documents are JSON in the API's own form and hold what does not change by itself; what moves (states, counts,
   instants) has columns. ``views`` puts both together.
2. A task's rows hang on its execution's uid, which names one project and location for ever; everything that a
   caller can name is keyed by project and location.
3. Etags are computed (``views.etag``) from uid, generation and the instant of the last change.
"""

from dataclasses import dataclass

from jubako.boxes.jobs.states import Counts, ExecutionState
from jubako.core.errors import AlreadyExists, NotFound
from jubako.core.timestamps import to_micros
from jubako.store.port import Row, Tx
from jubako.wire.codec import invalid
from jubako.wire.paging import Page

TOPIC = "jobs"
"""Woken when the engine may have something to do."""


@dataclass(frozen=True, slots=True)
class JobKey:
    """Names one job."""

    project: str
    location: str
    job: str

    def __str__(self) -> str:
        return f"projects/{self.project}/locations/{self.location}/jobs/{self.job}"


@dataclass(frozen=True, slots=True)
class ExecutionKey:
    """Names one execution."""

    project: str
    location: str
    job: str
    execution: str

    def __str__(self) -> str:
        return f"{self.job_key}/executions/{self.execution}"

    @property
    def job_key(self) -> JobKey:
        """The job it belongs to."""
        return JobKey(self.project, self.location, self.job)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One stored job. Instants are microseconds since the epoch."""

    key: JobKey
    uid: str
    generation: int
    created_us: int
    updated_us: int
    execution_count: int
    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """One stored execution. Instants are microseconds since the epoch."""

    key: ExecutionKey
    uid: str
    generation: int
    created_us: int
    updated_us: int
    started_us: int | None
    completed_us: int | None
    state: ExecutionState
    task_count: int
    parallelism: int
    """As asked for: 0 = as many as possible."""
    retries_max: int
    counts: Counts
    failed_task: int | None
    """Index of the first task that exhausted its retries."""
    run_operation: str
    cancel_operation: str
    """Full operation names; "" if there is none."""
    document: str


_SELECT_JOB = (
    "SELECT project, location, job, uid, generation, created, updated, execution_count, document FROM jobs"
)
_SELECT_EXECUTION = (
    "SELECT project, location, job, execution, uid, generation, created, updated, started, completed, state, "
    "task_count, parallelism, retries_max, pending, queued, running, succeeded, failed, cancelled, retried, "
    "failed_task, run_operation, cancel_operation, document FROM job_executions"
)


def insert_job(tx: Tx, key: JobKey, uid: str, document: str) -> JobRow:
    """Store a new job.

    Raises:
        AlreadyExists: There is a job of this name.

    """
    now = to_micros(tx.now)
    inserted = tx.run(
        "INSERT INTO jobs (project, location, job, uid, generation, created, updated, execution_count, document) "
        "VALUES (?, ?, ?, ?, 1, ?, ?, 0, ?) ON CONFLICT (project, location, job) DO NOTHING",
        key.project, key.location, key.job, uid, now, now, document,
    )  # fmt: skip
    if not inserted:
        raise AlreadyExists(f"Job {str(key)!r} already exists.")
    return get_job(tx, key)


def find_job(tx: Tx, key: JobKey) -> JobRow | None:
    """Return the job, or None."""
    row = tx.one(
        f"{_SELECT_JOB} WHERE project = ? AND location = ? AND job = ?",
        key.project, key.location, key.job,
    )  # fmt: skip
    return None if row is None else _job(row)


def get_job(tx: Tx, key: JobKey) -> JobRow:
    """Return the job.

    Raises:
        NotFound: There is none.

    """
    row = find_job(tx, key)
    if row is None:
        raise NotFound(f"Job {str(key)!r} does not exist.")
    return row


def update_job(tx: Tx, key: JobKey, document: str) -> JobRow:
    """Replace the job's document: a new generation.

    Raises:
        NotFound: There is none.

    """
    tx.run(
        "UPDATE jobs SET document = ?, generation = generation + 1, updated = ? "
        "WHERE project = ? AND location = ? AND job = ?",
        document, to_micros(tx.now), key.project, key.location, key.job,
    )  # fmt: skip
    return get_job(tx, key)


def delete_job(tx: Tx, key: JobKey) -> list[str]:
    """Delete the job with its executions (all final) and return their uids: ``retention.forget`` does the rest."""
    uids = tx.all(
        "SELECT uid FROM job_executions WHERE project = ? AND location = ? AND job = ?",
        key.project, key.location, key.job,
    )  # fmt: skip
    tx.run(
        "DELETE FROM job_executions WHERE project = ? AND location = ? AND job = ?",
        key.project, key.location, key.job,
    )  # fmt: skip
    tx.run(
        "DELETE FROM jobs WHERE project = ? AND location = ? AND job = ?", key.project, key.location, key.job
    )
    return [str(uid) for (uid,) in uids]


def job_page_key(job: JobRow) -> str:
    """Return the key of the page that begins behind ``job``."""
    return f"{job.key.job}/{job.key.location}"


def list_jobs(tx: Tx, project: str, location: str, page: Page) -> list[JobRow]:
    """Return jobs of a location (``-``: of all) by name, one more than asked for if there are more."""
    name, _, last = page.after.partition("/")
    place: tuple[str, ...] = (project,)
    sql = f"{_SELECT_JOB} WHERE project = ? "
    if location != "-":
        place, sql = (*place, location), sql + "AND location = ? "
    rows = tx.all(
        sql + "AND (job > ? OR (job = ? AND location > ?)) ORDER BY job, location LIMIT ?",
        *place, name, name, last, page.size + 1,
    )  # fmt: skip
    return [_job(row) for row in rows]


def count_under_way(tx: Tx, key: JobKey) -> int:
    """Return how many executions of the job are not final."""
    row = tx.one(
        "SELECT COUNT(*) FROM job_executions WHERE project = ? AND location = ? AND job = ? "
        "AND state IN ('active', 'cancelling')",
        key.project, key.location, key.job,
    )  # fmt: skip
    return int(row[0]) if row else 0


def insert_execution(tx: Tx, execution: ExecutionRow) -> None:
    """Store a new execution with all its tasks and count it at its job; ``moves.launch`` has it run.

    Raises:
        AlreadyExists: There is an execution of this name.

    """
    key = execution.key
    inserted = tx.run(
        "INSERT INTO job_executions (project, location, job, execution, uid, generation, created, updated, state, "
        "task_count, parallelism, retries_max, pending, queued, running, succeeded, failed, cancelled, retried, "
        "run_operation, cancel_operation, document) "
        "VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, ?, '', ?) "
        "ON CONFLICT (project, location, job, execution) DO NOTHING",
        key.project, key.location, key.job, key.execution, execution.uid, execution.created_us,
        execution.updated_us, execution.state, execution.task_count, execution.parallelism, execution.retries_max,
        execution.task_count, execution.run_operation, execution.document,
    )  # fmt: skip
    if not inserted:
        raise AlreadyExists(f"Execution {str(key)!r} already exists.")
    # One statement for all tasks: 10,000 rows in a few milliseconds, on the one writer.
    tx.run(
        "INSERT INTO job_tasks (execution_uid, task_index, state, attempt, retries) "
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?) "
        "SELECT ?, n, 'pending', 0, 0 FROM numbers",
        execution.task_count, execution.uid,
    )  # fmt: skip
    tx.run(
        "UPDATE jobs SET execution_count = execution_count + 1 WHERE project = ? AND location = ? AND job = ?",
        key.project, key.location, key.job,
    )  # fmt: skip


def get_execution(tx: Tx, key: ExecutionKey) -> ExecutionRow:
    """Return the execution.

    Raises:
        NotFound: There is none.

    """
    row = tx.one(
        f"{_SELECT_EXECUTION} WHERE project = ? AND location = ? AND job = ? AND execution = ?",
        key.project, key.location, key.job, key.execution,
    )  # fmt: skip
    if row is None:
        raise NotFound(f"Execution {str(key)!r} does not exist.")
    return _execution(row)


def find_execution(tx: Tx, uid: str) -> ExecutionRow | None:
    """Return the execution with this uid, or None."""
    row = tx.one(f"{_SELECT_EXECUTION} WHERE uid = ?", uid)
    return None if row is None else _execution(row)


def execution_page_key(execution: ExecutionRow) -> str:
    """Return the key of the page that begins behind ``execution``."""
    return f"{execution.created_us}/{execution.key.execution}"


def list_executions(tx: Tx, key: JobKey, page: Page, *, is_included: bool = False) -> list[ExecutionRow]:
    """Return executions of a job (job ``-``: of all jobs; location ``-``: of all), newest first.

    One more than asked for if there are more. The one whose key is ``page.after`` is the first if it ``is_included``.

    Raises:
        InvalidArgument: The page has a key that ``execution_page_key`` did not make.

    """
    created, _, name = page.after.partition("/")
    if page.after and not (created.isascii() and created.isdecimal() and len(created) < 19):
        raise invalid("pageToken", "is not a token that this server gave out.")
    before = int(created or 2**62)
    place: tuple[str, ...] = (key.project,)
    sql = f"{_SELECT_EXECUTION} WHERE project = ? "
    if key.location != "-":
        place, sql = (*place, key.location), sql + "AND location = ? "
    if key.job != "-":
        place, sql = (*place, key.job), sql + "AND job = ? "
    rows = tx.all(
        f"{sql}AND (created < ? OR (created = ? AND execution {'>=' if is_included else '>'} ?)) "
        "ORDER BY created DESC, execution LIMIT ?",
        *place, before, before, name, page.size + 1,
    )  # fmt: skip
    return [_execution(row) for row in rows]


def newest_execution(tx: Tx, key: JobKey) -> ExecutionRow | None:
    """Return the execution of the job that was created last, or None."""
    row = tx.one(
        f"{_SELECT_EXECUTION} WHERE project = ? AND location = ? AND job = ? ORDER BY created DESC, execution LIMIT 1",
        key.project, key.location, key.job,
    )  # fmt: skip
    return None if row is None else _execution(row)


def prune_executions(tx: Tx, key: JobKey, keep: int) -> list[str]:
    """Delete all but the newest ``keep`` final executions of a job; return the uids of those that went."""
    uids = [
        str(uid)
        for (uid,) in tx.all(
            "SELECT uid FROM job_executions WHERE project = ? AND location = ? AND job = ? "
            "AND state NOT IN ('active', 'cancelling') ORDER BY created DESC, execution LIMIT 100 OFFSET ?",
            key.project, key.location, key.job, keep,
        )
    ]  # fmt: skip
    for uid in uids:
        delete_execution(tx, uid)
    return uids


def delete_execution(tx: Tx, uid: str) -> None:
    """Delete an execution; its tasks, which nobody can name any more, are left to ``retention.forget``."""
    tx.run("DELETE FROM job_executions WHERE uid = ?", uid)


def update_progress(tx: Tx, execution: ExecutionRow) -> None:
    """Store state, counts, instants and operations of the execution as they now are."""
    counts = execution.counts
    tx.run(
        "UPDATE job_executions SET updated = ?, started = ?, completed = ?, state = ?, pending = ?, queued = ?, "
        "running = ?, succeeded = ?, failed = ?, cancelled = ?, retried = ?, failed_task = ?, cancel_operation = ? "
        "WHERE uid = ?",
        execution.updated_us, execution.started_us, execution.completed_us, execution.state,
        counts.pending, counts.queued, counts.running, counts.succeeded, counts.failed, counts.cancelled,
        counts.retried, execution.failed_task, execution.cancel_operation, execution.uid,
    )  # fmt: skip


def _job(row: Row) -> JobRow:
    project, location, job, uid, generation, created, updated, count, document = row
    return JobRow(
        key=JobKey(project, location, job),
        uid=uid,
        generation=generation,
        created_us=created,
        updated_us=updated,
        execution_count=count,
        document=document,
    )


def any_open(tx: Tx) -> bool:
    """Return whether an execution has tasks that run, or are to run."""
    row = tx.one("SELECT 1 FROM job_executions WHERE state IN ('active', 'cancelling') LIMIT 1")
    return row is not None


def _execution(row: Row) -> ExecutionRow:
    return ExecutionRow(
        key=ExecutionKey(*row[0:4]),
        uid=row[4],
        generation=row[5],
        created_us=row[6],
        updated_us=row[7],
        started_us=row[8],
        completed_us=row[9],
        state=ExecutionState(row[10]),
        task_count=row[11],
        parallelism=row[12],
        retries_max=row[13],
        counts=Counts(
            pending=row[14],
            queued=row[15],
            running=row[16],
            succeeded=row[17],
            failed=row[18],
            cancelled=row[19],
            retried=row[20],
        ),
        failed_task=row[21],
        run_operation=row[22],
        cancel_operation=row[23],
        document=row[24],
    )
