"""What the server is told: one value, read once, handed down in pieces."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jubako.core.errors import InvalidArgument
from jubako.core.limits import STOP_GRACE
from jubako.wire.google_discovery import ADDRESS

DEFAULT_PORT = 8123
GRACE_S_MAX = 3_600
ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not bound to
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one server."""

    state_dir: Path = field(default_factory=lambda: Path(".jubako"))
    host: str = "127.0.0.1"
    port: int | None = None
    """None: the port this state directory had before, else 8123. 0: any free one."""
    grpc_port: int | None = None
    """None: gRPC is on ``port`` too. 0: any free one."""
    auth: bool = False
    """Whether nobody gets in without a token."""
    strict_iam: bool = False
    """Whether service accounts must have been made, and may do what policies grant them only."""
    host_names: Sequence[str] = ()
    """Names besides localhost under which it may be asked (Host and Origin headers)."""
    log_json: bool = False
    clock: str = "real"
    """``real``; ``virtual``: jumps over waits by itself; ``manual``: jumps when told."""
    offline: bool = False
    """Whether programs that come in by the CONNECT front are kept from names that are not served here."""
    google_credentials: str | None = None
    """File with which connectors of services that are not played here go to the real Google, or ``default``; None: they
    do not."""
    google_discovery: str = ADDRESS
    """Where the discovery documents are, with ``{service}`` and ``{version}``."""
    grace_s: int = int(STOP_GRACE.total_seconds())
    """Between SIGTERM and SIGKILL, for tasks and instances."""
    tree_kill_max: str = "cgroup"
    """Surest way to end a process tree that is used, see Capabilities."""
    leave_tasks: bool = False
    """Whether tasks and instances go on when the server is told to stop, for the next one to take up."""

    @property
    def local_host(self) -> str:
        """Where programs of this machine reach the server: its own address, or loopback if it has all."""
        return "127.0.0.1" if self.host in ANY else self.host

    def names(self) -> list[str]:
        """Return the names under which it may be asked besides those of loopback."""
        return [*self.host_names, *([] if self.host in LOOPBACK | ANY else [self.host])]

    def checked(self) -> "Config":
        """Return this configuration if it can work.

        Raises:
            InvalidArgument: Names every setting that cannot.

        """
        problems = []
        if self.host not in LOOPBACK and not self.auth:
            problems.append(
                f"host: {self.host!r} is not a loopback address; without authentication (--auth) anybody who reaches "
                "the port could run commands here"
            )
        if self.port is not None and not 0 <= self.port <= 65535:
            problems.append(f"port: {self.port} is not between 0 and 65535")
        if self.grpc_port is not None and not 0 <= self.grpc_port <= 65535:
            problems.append(f"grpc_port: {self.grpc_port} is not between 0 and 65535")
        if self.grpc_port and self.grpc_port == self.port:
            problems.append(
                f"grpc_port: {self.grpc_port} is the port of HTTP; leave it out and both are there"
            )
        if not 0 <= self.grace_s <= GRACE_S_MAX:
            problems.append(f"grace: {self.grace_s} s is not between 0 and {GRACE_S_MAX}")
        if self.google_credentials is not None and self.offline:
            problems.append("google_credentials: an offline server calls nobody; leave out one of the two")
        if problems:
            raise InvalidArgument("; ".join(problems) + ".")
        return self
