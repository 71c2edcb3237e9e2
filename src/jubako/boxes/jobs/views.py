"""Rows as the API's resources. Pure: what has to be read besides the row is handed in."""

import hashlib
from copy import copy
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from jubako.boxes.jobs import conditions, states
from jubako.boxes.jobs.resources import Execution, ExecutionReference, Job, Task, TaskTemplate
from jubako.boxes.jobs.rows import ExecutionRow, JobRow
from jubako.core.errors import InvalidArgument
from jubako.core.limits import TASK_TIMEOUT_DEFAULT
from jubako.core.timestamps import from_micros
from jubako.runtime.port import Capabilities
from jubako.wire import codec
from jubako.wire.run_types import Condition, Container

M = TypeVar("M", Job, Execution)
LOGS_PATH = "/jubako/v1"


def etag(uid: str, generation: int, updated_us: int) -> str:
    """Return the etag of a resource in this state."""
    digest = hashlib.blake2b(f"{uid} {generation} {updated_us}".encode(), digest_size=9).hexdigest()
    return f'"{digest}"'


def job(row: JobRow, latest: ExecutionRow | None) -> Job:
    """Return the job; ``latest`` is its newest execution."""
    resource: Job = copy(parsed(Job, row.document))
    resource.name = str(row.key)
    resource.uid = row.uid
    resource.generation = resource.observed_generation = row.generation
    resource.create_time = from_micros(row.created_us)
    resource.update_time = from_micros(row.updated_us)
    resource.execution_count = row.execution_count
    resource.terminal_condition = Condition(
        type="Ready",
        state=Condition.State.CONDITION_SUCCEEDED,
        last_transition_time=from_micros(row.updated_us),
    )
    resource.latest_created_execution = None if latest is None else _reference(latest)
    resource.etag = etag(row.uid, row.generation, row.updated_us)
    return resource


@lru_cache(maxsize=64)
def parsed(cls: type[M], document: str) -> M:
    """Return a stored document; all that is made of the same text shares it, so nobody changes it.

    Raises:
        InvalidArgument: It cannot be read.

    """
    return codec.decode(cls, document)


def _readable(document: str) -> Execution:
    """Return an execution's document; one that cannot be read is told as such, so that it can end and be deleted."""
    try:
        execution: Execution = parsed(Execution, document)
    except InvalidArgument as error:
        note = {"jubako.dev/unreadable": error.message}
        return Execution(annotations=note, template=TaskTemplate())
    return execution


def _reference(row: ExecutionRow) -> ExecutionReference:
    return ExecutionReference(
        name=row.key.execution,
        create_time=from_micros(row.created_us),
        completion_time=instant(row.completed_us),
        completion_status=conditions.completion_status(row),
    )


def execution(
    row: ExecutionRow, failed: states.Task | None, base_url: str, capabilities: Capabilities
) -> Execution:
    """Return the execution; ``failed`` is its task ``failed_task``, if there is one."""
    resource = copy(_readable(row.document))
    containers = resource.template.containers if resource.template else []
    container = containers[0] if containers else Container()
    counts = row.counts
    resource.name = str(row.key)
    resource.uid = row.uid
    resource.job = row.key.job
    resource.generation = resource.observed_generation = row.generation
    resource.create_time = from_micros(row.created_us)
    resource.update_time = from_micros(row.updated_us)
    resource.start_time = instant(row.started_us)
    resource.completion_time = instant(row.completed_us)
    resource.parallelism = row.parallelism
    resource.task_count = row.task_count
    resource.running_count = counts.running
    resource.succeeded_count = counts.succeeded
    resource.failed_count = counts.failed
    resource.cancelled_count = counts.cancelled
    resource.retried_count = counts.retried
    resource.reconciling = row.state not in states.EXECUTION_FINAL
    resource.conditions = conditions.execution_conditions(
        row, failed, _timeout(resource.template), conditions.how_it_runs(capabilities, container)
    )
    resource.log_uri = f"{base_url}{LOGS_PATH}/{row.key}/logs"
    resource.etag = etag(row.uid, row.generation, row.updated_us)
    return resource


def task(row: ExecutionRow, item: states.Task, base_url: str) -> Task:
    """Return one task of the execution."""
    parent = _readable(row.document)
    template = parent.template
    assert template is not None, row.key
    timeout = _timeout(template)
    name = task_name(row, item.index)
    return Task(
        name=name,
        uid=f"{row.uid}-{item.index}",
        generation=1,
        observed_generation=1,
        labels={**parent.labels, conditions.RUNNING_STATE_LABEL: conditions.RUNNING_STATES[item.state]},
        annotations=parent.annotations,
        create_time=from_micros(row.created_us),
        scheduled_time=instant(item.scheduled_us),
        start_time=instant(item.started_us),
        completion_time=instant(item.completed_us),
        update_time=from_micros(last_change(row, item)),
        job=row.key.job,
        execution=row.key.execution,
        index=item.index,
        retried=item.retries,
        last_attempt_result=None
        if item.outcome is None
        else conditions.attempt_result(item.outcome, timeout),
        reconciling=item.state not in states.TASK_FINAL,
        conditions=conditions.task_conditions(item, row.created_us, timeout),
        log_uri=f"{base_url}{LOGS_PATH}/{name}/logs",
        etag=etag(f"{row.uid}-{item.index}", item.attempt, last_change(row, item)),
        **_of_template(template),
    )


def task_name(row: ExecutionRow, index: int) -> str:
    """Return the full name of a task."""
    return f"{row.key}/tasks/{row.key.execution}-task{index}"


def last_change(row: ExecutionRow, item: states.Task) -> int:
    """Return when the task changed last, in microseconds since the epoch."""
    known = (item.completed_us, item.attempt_started_us, item.started_us, item.scheduled_us)
    return next((time for time in known if time is not None), row.created_us)


def instant(time_us: int | None) -> datetime | None:
    """Return the instant, or None."""
    return None if time_us is None else from_micros(time_us)


def _of_template(template: TaskTemplate) -> dict[str, Any]:
    """Return the fields that a task repeats from its template."""
    values = msgspec.structs.asdict(template)
    return {
        name: value for name, value in values.items() if name in Task.__struct_fields__ and name != "timeout"
    } | {"timeout": _timeout(template)}


def _timeout(template: TaskTemplate | None) -> timedelta:
    return (template.timeout if template else None) or TASK_TIMEOUT_DEFAULT
