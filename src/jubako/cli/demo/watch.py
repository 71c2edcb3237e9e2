"""Where a reception stands, by the public API: the reception itself, and the tasks of its jobs' executions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from jubako.cli.client import Client
from jubako.cli.demo.deployment import JOBS, WORKFLOW, Application
from jubako.cli.demo.reception import Reception
from jubako.cli.demo.timing import Interval, Timing, interval, timing_of
from jubako.cli.errors import ApiError
from jubako.cli.executions import is_complete, task_state
from jubako.cli.times import instant, span

Document = dict[str, Any]
LIVE = frozenset({"Running", "Retrying"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One task of one branch."""

    index: int
    state: str
    """Pending, Running, Retrying, Succeeded, Failed or Cancelled."""
    start: datetime | None = None
    end: datetime | None = None
    part: float = 0.0
    """How much of a running one is done, 0 to 1, as far as it has said."""

    def taken(self, now: datetime) -> timedelta | None:
        """Return how long it took, or has taken so far; None if it has not begun."""
        return span(self.start, self.end, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One stage of the check: ``ocr``, ``speech`` or ``report``."""

    name: str
    done: int
    total: int
    shards: Sequence[Shard] = ()

    @property
    def part(self) -> float:
        """How much is done, 0 to 1, parts of running shards included."""
        running = sum(shard.part for shard in self.shards if shard.state in LIVE)
        return min((self.done + running) / self.total, 1.0) if self.total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A reception at one instant."""

    id: str
    state: str
    progress: float
    now: datetime
    reason: str | None = None
    name: str = ""
    duration: float = 0.0
    branches: Sequence[Branch] = ()


@dataclass(slots=True)
class _Followed:
    """An execution of one job whose tasks are looked at until it is over."""

    name: str
    tasks: list[Document] = field(default_factory=list)
    parts: dict[int, float] = field(default_factory=dict)
    token: str | None = None
    is_over: bool = False


class Watch:
    """Looks at one reception again and again."""

    def __init__(self, client: Client, application: Application, reception: Reception) -> None:
        self._client = client
        self._application = application
        self._reception = reception
        self._followed: dict[str, _Followed] = {}

    def look(self) -> Snapshot:
        """Return where the reception stands now.

        Raises:
            ServerUnreachable: The server is away.

        """
        view = self._reception.look()
        branches = [self._branch(job, stage, view) for job, stage in JOBS.items()]
        return Snapshot(
            id=view["id"],
            state=view["state"],
            progress=view.get("progress", 0.0),
            now=datetime.now().astimezone(),
            reason=view.get("reason"),
            name=view.get("name", ""),
            duration=view.get("duration", 0.0),
            branches=branches,
        )

    def _branch(self, job: str, stage: str, view: Document) -> Branch:
        count = view.get("branches", {}).get(stage, {"done": 0, "total": 1})
        followed = self._followed.get(job) or self._find(job)
        if followed is None:
            return Branch(name=stage, done=count["done"], total=count["total"])
        self._update(followed)
        shards = [_shard(task, followed.parts) for task in followed.tasks]
        return Branch(name=stage, done=count["done"], total=count["total"], shards=shards)

    def _update(self, followed: _Followed) -> None:
        if followed.is_over:
            return
        execution = self._client.get(f"/v2/{followed.name}")
        tasks = self._client.list(f"/v2/{followed.name}/tasks", "tasks", {"pageSize": 1000})
        followed.tasks = sorted(tasks, key=lambda task: task.get("index", 0))
        followed.is_over = is_complete(execution)
        self._listen(followed)

    def _listen(self, followed: _Followed) -> None:
        """Read what the tasks say about their progress: one page of their logs, from where the last one ended."""
        query = {"pageToken": followed.token, "severity": "INFO"}
        try:
            page = self._client.get(f"/jubako/v1/{followed.name}/logs", query)
        except ApiError:
            return  # a nicety; whoever serves no logs still serves states
        followed.token = page.get("nextPageToken") or followed.token
        for entry in page.get("entries", []):
            part = _part(entry.get("jsonPayload", {}).get("progress"))
            index = entry.get("taskIndex", 0)
            followed.parts[index] = max(followed.parts.get(index, 0.0), part)

    def _find(self, job: str) -> _Followed | None:
        listed = self._client.list(f"/v2/{self._application.parent}/jobs/{job}/executions", "executions")
        for execution in listed:  # newest first
            if _reception_of(execution) == self._reception.id:
                return self._followed.setdefault(job, _Followed(execution["name"]))
        return None

    def timing(self) -> Timing:
        """Return when what was worked on, of a reception that is over."""
        tasks = [task for followed in self._followed.values() for task in followed.tasks]
        return timing_of(self._client, tasks, self._workflow())

    def _workflow(self) -> Interval | None:
        executions = f"/v1/{self._application.parent}/workflows/{WORKFLOW}/executions"
        for execution in self._client.list(executions, "executions"):
            if execution.get("labels", {}).get("reception") == self._reception.id:
                return interval(execution, "startTime", "endTime")
        return None


def _reception_of(execution: Mapping[str, Any]) -> str | None:
    containers = execution.get("template", {}).get("containers", [])
    variables = (variable for container in containers for variable in container.get("env", []))
    return next((entry.get("value") for entry in variables if entry.get("name") == "RECEPTION_ID"), None)


def _part(progress: object) -> float:
    """Return the part that a progress line of the sdk tells: ``{"stage", "done", "total"}``."""
    if not isinstance(progress, dict):
        return 0.0
    done, total = progress.get("done"), progress.get("total")
    if not isinstance(done, int | float) or not isinstance(total, int | float) or total <= 0:
        return 0.0
    return min(max(done / total, 0.0), 1.0)


def _shard(task: Document, parts: Mapping[int, float]) -> Shard:
    state = task_state(task)
    if task.get("retried") and state in {"Pending", "Running"}:
        state = "Retrying"
    index = task.get("index", 0)
    return Shard(
        index=index,
        state=state,
        start=instant(task, "startTime"),
        end=instant(task, "completionTime"),
        part=parts.get(index, 0.0),
    )
