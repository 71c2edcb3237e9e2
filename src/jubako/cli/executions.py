"""Reading executions and tasks of jobs: their state in one word, and following an execution to its end."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from jubako.cli.client import Client
from jubako.cli.errors import ApiError
from jubako.cli.terminal import clean
from jubako.cli.times import instant, span

Execution = Mapping[str, Any]
"""A ``google.cloud.run.v2.Execution`` as JSON."""
FIRST_POLL_S = 0.1
SLOWEST_POLL_S = 1.0
FOLLOW_PATIENCE_S = 120.0
"""While following, a server that is restarted is waited for: the execution survives it."""


def condition(document: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return the condition of type ``kind``, or an empty one."""
    found = (entry for entry in document.get("conditions", []) if entry.get("type") == kind)
    return next(found, {})


def state(execution: Execution) -> str:
    """Return Pending, Running, Succeeded, Failed or Cancelled."""
    completed = condition(execution, "Completed")
    if not execution.get("completionTime"):
        return "Running" if execution.get("startTime") or execution.get("runningCount") else "Pending"
    if completed.get("executionReason") == "CANCELLED" or execution.get("cancelledCount"):
        return "Cancelled"
    is_failed = completed.get("state") == "CONDITION_FAILED" or execution.get("failedCount")
    return "Failed" if is_failed else "Succeeded"


def task_state(task: Mapping[str, Any]) -> str:
    """Return Pending, Running, Succeeded, Failed or Cancelled."""
    label = task.get("labels", {}).get("run.googleapis.com/runningState")
    if label:
        return str(label)
    if not task.get("completionTime"):
        return "Running" if task.get("startTime") else "Pending"
    completed = condition(task, "Completed")
    if completed.get("executionReason") == "CANCELLED":
        return "Cancelled"
    return "Failed" if completed.get("state") == "CONDITION_FAILED" else "Succeeded"


def ending(task: Mapping[str, Any]) -> str:
    """Return how a task's last attempt ended: ``exit 3``, ``signal 9``, or the server's words."""
    result = task.get("lastAttemptResult", {})
    if result.get("termSignal"):
        return f"signal {result['termSignal']}"
    if result.get("exitCode"):
        return f"exit {result['exitCode']}"
    return str(result.get("status", {}).get("message", ""))


def is_carried_over(task: Mapping[str, Any]) -> bool:
    """Say whether a task of a rerun did not run again, but kept the end it had before."""
    return str(condition(task, "Completed").get("message", "")).startswith("Carried over")


def elapsed(document: Mapping[str, Any]) -> timedelta | None:
    """Return how long an execution or task ran, or has run so far."""
    return span(instant(dict(document), "startTime"), instant(dict(document), "completionTime"))


def full_name(parent: str, execution: str) -> str:
    """Return the resource name of an execution; its job is its name without the random suffix."""
    if execution.startswith("projects/"):
        return execution
    return f"{parent}/jobs/{execution.rsplit('-', 1)[0]}/executions/{execution}"


def follow(
    client: Client, name: str, until: Callable[[Execution], bool], seen: Callable[[Execution], None]
) -> Execution:
    """Poll the execution ``name`` until ``until`` says enough; ``seen`` is told every reply.

    Raises:
        ApiError: It does not exist any more.
        ServerUnreachable: The server stayed away for longer than FOLLOW_PATIENCE_S.

    """
    delay = FIRST_POLL_S
    before, client.patience_s = client.patience_s, FOLLOW_PATIENCE_S
    try:
        while True:
            execution = client.get(f"/v2/{name}")
            seen(execution)
            if until(execution):
                return execution
            client.sleep(delay)
            delay = min(delay * 1.3, SLOWEST_POLL_S)
    finally:
        client.patience_s = before


def told_progress(client: Client, execution: Execution) -> list[Mapping[str, Any]]:
    """Return how far the running tasks say that they are; nothing from a server that does not ask them."""
    if not execution.get("runningCount"):
        return []
    try:
        return list(client.get(f"/jubako/v1/{execution['name']}/progress")["tasks"])
    except ApiError:
        return []


def in_words(told: Sequence[Mapping[str, Any]]) -> str:
    """Return the progress of all tasks that told one together: ``ocr 40 of 100``; "" if none did."""
    if not told:
        return ""
    done, total = (sum(task[field] for task in told) for field in ("done", "total"))
    stages = {task["stage"] for task in told}
    stage = f"{stages.pop()} " if len(stages) == 1 else ""
    return f"{clean(stage)}{done} of {total}"


def is_complete(execution: Execution) -> bool:
    """Say whether an execution is over."""
    return bool(execution.get("completionTime"))


def is_started(execution: Execution) -> bool:
    """Say whether an execution has begun (or is over already)."""
    started = condition(execution, "Started").get("state") == "CONDITION_SUCCEEDED"
    return started or bool(execution.get("startTime")) or is_complete(execution)
