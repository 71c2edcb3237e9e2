"""The stream of attempt events, taken to the boxes they belong to.

The runtime's position is stored in the same transaction as what the events changed, so that each event takes
effect exactly once whatever dies when.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from jubako.boxes.jobs import task_rows
from jubako.core.clock import Clock
from jubako.core.errors import ResourceExhausted, Unavailable
from jubako.core.events import Events
from jubako.runtime.port import AttemptEvent, Runtime, Started
from jubako.store import facts
from jubako.store.port import Store, Tx

POSITION = "runtime.position"
RECONNECT_PAUSE = timedelta(seconds=1)


def may_wait(event: AttemptEvent) -> bool:
    """Return whether an event may come a little later: the start of a task (requests wait for that of an instance)."""
    return isinstance(event, Started) and event.id.startswith(f"{task_rows.ID_PREFIX}/")


class Owner(Protocol):
    """A box whose attempts the runtime runs."""

    def apply(self, tx: Tx, events: Sequence[AttemptEvent]) -> None:
        """Take events of this box's attempts, in order; late and unknown ones are passed over."""
        ...

    async def recover(self) -> None:
        """Agree with the runtime after a (re)connect: reconcile what was started, submit what was claimed."""
        ...


class AttemptStream:
    """Keeps the runtime connected and its events flowing."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        clock: Clock,
        owners: Mapping[str, Owner],
        events: Events,
        *,
        shifted: Callable[[datetime], datetime] | None = None,
    ) -> None:
        """``owners`` by the first segment of their attempts' ids; ``shifted`` turns machine time into boxes' time."""
        self._shifted = shifted
        self._store = store
        self._runtime = runtime
        self._clock = clock
        self._owners = owners
        self._events = events
        self._is_connected = False
        """False also after an event could not take effect: what was not stored is delivered again."""

    async def connect(self) -> None:
        """Connect, take all events that were missed, and let every box recover."""
        position = await self._store.read(lambda tx: facts.get(tx, POSITION))
        await self._runtime.start(position or "", self._take)
        for owner in self._owners.values():
            await owner.recover()
        self._is_connected = True

    async def run(self) -> None:
        """Reconnect whenever the connection breaks, until cancelled.

        It breaks also when what an event changes cannot be stored (a full disk): the runtime keeps the event.
        """
        while True:
            try:
                await self._connected()
            except (Unavailable, ResourceExhausted) as error:
                self._events.emit("runtime.unavailable", "ERROR", error=error.message)
                await self._clock.sleep_until(self._clock.now() + RECONNECT_PAUSE)

    async def _connected(self) -> None:
        """Connect if need be, and return when the connection broke."""
        if not self._is_connected:
            await self.connect()
            self._events.emit("runtime.reconnected")
        self._is_connected = False
        await self._runtime.wait_disconnected()
        self._events.emit("runtime.disconnected", "WARNING")

    async def _take(self, events: Sequence[AttemptEvent], position: str) -> None:
        await self._store.write(partial(self._apply, events=events, position=position))

    def _apply(self, tx: Tx, events: Sequence[AttemptEvent], position: str) -> None:
        by_owner: dict[str, list[AttemptEvent]] = {}
        if self._shifted is not None:
            events = [replace(event, time=self._shifted(event.time)) for event in events]
        for event in events:
            by_owner.setdefault(event.id.partition("/")[0], []).append(event)
        for name, theirs in by_owner.items():
            owner = self._owners.get(name)
            if owner is not None:
                owner.apply(tx, theirs)
        facts.put(tx, POSITION, position)
