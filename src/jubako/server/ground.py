"""What everything else stands on: the ports and the few values that the rooms are given."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from jubako.core.clock import Clock
from jubako.core.events import Events
from jubako.core.faults import Faults
from jubako.core.ids import IdSource
from jubako.runtime.port import Runtime
from jubako.server.state_dir import StateDirectory
from jubako.store.port import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleAccess:
    """With what calls go to the real Google."""

    credentials: Mapping[str, Any]
    """Of a credentials file."""
    discovery: str
    """Where the discovery documents are, with ``{service}`` and ``{version}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The adapters that were picked, and where this server is."""

    state: StateDirectory
    store: Store
    runtime: Runtime
    clock: Clock
    """The time that boxes and triggers live in."""
    wall: Clock
    """The machine's time, which programs and tokens go by."""
    ids: IdSource
    events: Events
    faults: Faults
    sockets: Path
    """A short private directory for Unix sockets."""
    base_url: str
    """Such as ``http://127.0.0.1:8123``."""
    environment: Mapping[str, str]
    """What every task and instance finds in its environment."""
    grace: timedelta
    """Between SIGTERM and SIGKILL, for tasks and instances."""
    working_dir: str
    google: GoogleAccess | None = None
    """How connectors reach the real Google; None: they do not."""
