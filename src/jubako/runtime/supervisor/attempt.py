"""One attempt as the supervisor sees it, and how it moves from phase to phase.

An attempt whose leader exits by itself is swept at once: what it left in the background goes with it, as Cloud Run ends
the container when its main process exits. One that was told to stop keeps its grace for the whole tree.
"""

import socket
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any


class Phase(Enum):
    """Where an attempt is."""

    QUEUED = auto()
    STARTING = auto()
    """Announced in the journal; the command may start any moment."""
    LIVE = auto()
    STOPPING = auto()
    """SIGTERM was sent to its tree; the grace runs."""
    KILLING = auto()
    """SIGKILL goes to whatever is left of its tree."""
    ENDED = auto()


class Move(Enum):
    """What can happen to an attempt."""

    ANNOUNCE = auto()
    START = auto()
    REVOKE = auto()
    STOP = auto()
    EXIT = auto()
    GRACE_OVER = auto()
    GONE = auto()


MOVES: Mapping[Phase, Mapping[Move, Phase]] = {
    Phase.QUEUED: {Move.ANNOUNCE: Phase.STARTING, Move.REVOKE: Phase.ENDED},
    Phase.STARTING: {Move.START: Phase.LIVE, Move.REVOKE: Phase.ENDED},
    Phase.LIVE: {Move.STOP: Phase.STOPPING, Move.EXIT: Phase.KILLING},
    Phase.STOPPING: {
        Move.EXIT: Phase.STOPPING,
        Move.GRACE_OVER: Phase.KILLING,
        Move.GONE: Phase.ENDED,
    },
    Phase.KILLING: {Move.EXIT: Phase.KILLING, Move.GONE: Phase.ENDED},
    Phase.ENDED: {},
}


WAITING = frozenset({Phase.QUEUED, Phase.STARTING})
"""Nothing runs yet, so the attempt can be revoked."""


class Attempt:
    """A submitted attempt; one per id, plain fields because there are ten thousand of them."""

    __slots__ = (
        "announced_us",
        "argv",
        "control",
        "cpus",
        "cwd",
        "detail",
        "env",
        "error_bytes",
        "gate",
        "grace",
        "group",
        "id",
        "memory_bytes",
        "mounts",
        "output",
        "output_bytes",
        "parallelism",
        "phase",
        "pid",
        "pids_max",
        "preload",
        "reason",
        "slot",
        "started_us",
        "status",
        "sweeps",
        "timeout",
        "tries",
        "written",
    )

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.id: str = spec["id"]
        self.group: str = spec["group"]
        self.parallelism: int = max(1, spec["parallelism"])
        self.argv: list[str] = spec["argv"]
        self.env: dict[str, str] = spec["env"]
        self.cwd: str | None = spec.get("cwd")
        self.timeout: float | None = spec.get("timeout")
        self.grace: float = spec["grace"]
        self.output: str = spec.get("output", "")
        self._take_wishes(spec)
        self._begin_output()
        self.phase = Phase.QUEUED
        self.pid = 0
        """Of the leader: also its process group and session."""
        self.announced_us = 0
        self.started_us = 0
        """Microseconds since boot; the start of the leader lies between the two."""
        self.status: int | None = None
        """Wait status of the leader, once it was reaped."""
        self.reason = "exited"
        self.detail = ""
        self.tries = 0
        """How often it could not be started because the machine had no room."""
        self.sweeps = 0
        """How often SIGKILL went to what was left."""
        self._begin_holds()

    def _take_wishes(self, spec: Mapping[str, Any]) -> None:
        self.memory_bytes: int | None = spec.get("memory_bytes")
        self.cpus: float | None = spec.get("cpus")
        self.pids_max: int | None = spec.get("pids_max")
        self.preload: str | None = spec.get("preload")
        self.mounts: list[dict[str, Any]] = spec.get("mounts") or []
        """Volumes, see ``mounting``."""

    def _begin_holds(self) -> None:
        self.gate = -1
        """Descriptor at whose other end a forked process waits; -1 = none."""
        self.control: socket.socket | None = None
        """What its init hears from and talks into; it ends when this is closed. None = it has none."""
        self.slot: int | None = None
        """Which control group holds it, if any."""

    def _begin_output(self) -> None:
        self.output_bytes = 0
        self.error_bytes = 0
        """Of standard output and error, as last seen."""
        self.written: int | None = None
        """How much it wrote in all, once it has ended and if somebody saw."""

    def move(self, move: Move) -> None:
        """Go to the next phase; what the table does not know is a bug of ours."""
        after = MOVES[self.phase].get(move)
        assert after is not None, (self.id, self.phase, move)
        self.phase = after
