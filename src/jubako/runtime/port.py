"""The Runtime port: starting, watching and ending attempts, whatever runs them.

1. An attempt id is used once for ever. Submitting it again is harmless: its command starts once at most.
2. Outcomes are events in one ordered stream with a position. Whoever consumes the stream stores the position in the
   same transaction as what the events changed, so each event takes effect exactly once.
3. Time-out and cancel end the whole process tree; the final event comes only when the tree is gone.
4. Retries are not the runtime's business.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

PIDS_MAX = 2048
"""Per attempt if nobody says otherwise: a fork bomb ends at it. Source: Podman, containers.conf, pids_limit."""


class Reason(StrEnum):
    """Why an attempt ended."""

    EXITED = "exited"
    """It ended by itself: see ``exit_code`` or ``term_signal``."""
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    """Ended on request, or revoked before it was started (then ``started`` never came)."""
    OUT_OF_MEMORY = "out_of_memory"
    NOT_STARTED = "not_started"
    """The command could not be started: ``detail`` says why (no such file, no such directory, ...)."""
    LOST = "lost"
    """Its owner died and it was ended with it, or the machine was restarted; nobody saw it end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFile:
    """A file of a volume."""

    path: str
    """Below the volume's directory; relative, without ``..``."""
    content: bytes = field(repr=False)
    mode: int
    """Permission bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume, seen by one attempt at a path; it goes with the attempt and is never on a disk."""

    path: str
    """Absolute."""
    volume: str
    """Its name: mounts of one attempt with the same name are the same scratch."""
    size_bytes: int = 0
    """Of scratch."""
    files: tuple[SecretFile, ...] | None = None
    """Read-only, beside what is at the path already; None = scratch, which hides that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpec:
    """One command to run once."""

    id: str
    """Unique for ever, ``OWNER/...``: the first segment names the box the events belong to."""
    group: str
    """Attempts of one group (an execution) share ``parallelism``."""
    parallelism: int
    """At most this many attempts of the group live at once; 1 or more."""
    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The complete environment of the process."""
    cwd: str | None = None
    timeout: timedelta | None = None
    """Per attempt, from its start; None = no limit."""
    grace: timedelta = timedelta(seconds=10)
    """Between SIGTERM and SIGKILL, for time-out and cancel."""
    output: str = ""
    """Directory that gets the files ``stdout``, ``stderr`` and ``index``; made if missing."""
    memory_bytes: int | None = None
    """What the whole tree may use; more than that ends as OUT_OF_MEMORY. None = no limit. See Capabilities.

    It starts when there is room for it beside what the live attempts may use."""
    cpus: float | None = None
    """Processor time per second that the whole tree may use; None = no limit."""
    pids_max: int | None = PIDS_MAX
    """Processes and threads that the tree may have at once; None = no limit."""
    preload: str | None = None
    """Module that ``argv``, a Python command, imports: the runtime may import it once per group and start attempts as
    forks, if it can; None = start a new interpreter each time."""
    mounts: tuple[Mount, ...] = ()
    """NOT_STARTED if they cannot be mounted. See Capabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The command of an attempt runs."""

    id: str
    time: datetime
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt is over and its process tree gone."""

    id: str
    time: datetime
    reason: Reason
    exit_code: int | None = None
    term_signal: int | None = None
    """At most one of ``exit_code`` and ``term_signal`` is set."""
    detail: str = ""
    output_bytes: int | None = None
    """How much it wrote to its standard output and error; None = nobody saw."""


AttemptEvent = Started | Ended
Sink = Callable[[Sequence[AttemptEvent], str], Awaitable[None]]
"""``await sink(events, position)``: events in order; ``position`` is opaque, and stands behind the last of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this runtime can enforce; told to people as it is."""

    name: str
    tree_kill: str
    """How a process tree is ended: ``cgroup``, ``pid-namespace``, ``subreaper`` or ``process-group``."""
    survives_restart: bool
    """Whether attempts go on while the server is down."""
    enforced: Sequence[str] = field(default_factory=tuple)
    """Which limits are enforced: of ``memory``, ``cpu``, ``pids``."""
    missing: str = ""
    """Why the others are not, in words for people."""
    mounts_missing: str = ""
    """Why no volumes can be mounted, in words for people; "" = they can."""
    memory_bytes: int | None = None
    """How much memory the live attempts may ask for together; further ones wait. None = nobody looks at it."""


class Runtime(Protocol):
    """Runs attempts."""

    def capabilities(self) -> Capabilities:
        """Return what can be enforced; valid after ``start``."""
        ...

    async def start(self, position: str, sink: Sink) -> None:
        """Connect (or start what is needed) and deliver all events after ``position`` ("" = from the beginning).

        Returns when the events that existed at the call have been delivered.

        Raises:
            Unavailable: The runtime cannot be started; the message says why.

        """
        ...

    async def submit(self, specs: Sequence[AttemptSpec]) -> None:
        """Hand over attempts; they start in order as their group's parallelism allows.

        Ids that are known already are passed over.

        Raises:
            Unavailable: Not connected right now; submit again after the reconnect.

        """
        ...

    async def cancel(self, ids: Sequence[str]) -> None:
        """Ask that these attempts end: queued ones at once, live ones by SIGTERM, grace, SIGKILL. Idempotent.

        The outcome comes as an ``Ended`` event; unknown ids are passed over.

        Raises:
            Unavailable: Not connected right now; ask again after the reconnect.

        """
        ...

    async def reconcile(self, started: Sequence[str]) -> None:
        """Make the runtime say ``Ended(LOST)`` for every id of ``started`` that it no longer knows."""
        ...

    async def wait_disconnected(self) -> None:
        """Return when the connection broke: the caller starts, reconciles and submits again."""
        ...

    async def close(self, *, end_attempts: bool) -> None:
        """Leave; with ``end_attempts`` every attempt is ended first, else they go on. Safe to call twice."""
        ...
