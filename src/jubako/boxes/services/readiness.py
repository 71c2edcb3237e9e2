"""Finds out when the process of an instance listens, and gives up on one that takes too long.

This is Cloud Run's default start-up probe: TCP on the port, for at most 240 s ("Container health checks").
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

from jubako.boxes.services import instance_rows, states
from jubako.boxes.services.instance_rows import Resident
from jubako.core.clock import Clock
from jubako.core.errors import JubakoError
from jubako.core.events import Events
from jubako.core.timestamps import to_micros
from jubako.runtime import loopback
from jubako.runtime.instances import InstanceState
from jubako.store.port import Store, Tx

PAUSE_MIN = timedelta(milliseconds=10)
PAUSE_MAX = timedelta(milliseconds=200)
Listens = Callable[[int], Awaitable[bool]]


class Readiness:
    """Watches instances that start."""

    def __init__(
        self, store: Store, clock: Clock, events: Events, listens: Listens = loopback.listens
    ) -> None:
        """Take the ports; ``await listens(port)`` says whether a connection is accepted."""
        self._store = store
        self._clock = clock
        self._events = events
        self._listens = listens
        self._probes: dict[str, asyncio.Task[None]] = {}

    def watch(self, residents: Sequence[Resident]) -> None:
        """Probe these starting instances from now on; those that are being probed already are passed over."""
        for resident in residents:
            name = resident.attempt_id
            if name not in self._probes:
                probe = asyncio.create_task(self._probe(resident), name=f"probe {name}")
                self._probes[name] = probe
                probe.add_done_callback(partial(self._done, name))

    def cancel(self) -> None:
        """Stop watching; what has not been recorded is found out again later."""
        for probe in self._probes.values():
            probe.cancel()

    def _done(self, name: str, probe: "asyncio.Task[None]") -> None:
        del self._probes[name]
        if not probe.cancelled() and (error := probe.exception()) is not None:
            self._events.emit("service.probe_failed", "ERROR", attempt=name, error=repr(error))

    async def _probe(self, resident: Resident) -> None:
        """Ask the port until it accepts, the attempt is not starting any more, or its time is over."""
        pause = PAUSE_MIN
        while not await self._is_settled(resident):
            await self._clock.sleep_until(self._clock.now() + pause)
            pause = min(pause * 2, PAUSE_MAX)

    async def _is_settled(self, resident: Resident) -> bool:
        """Ask once and record what that says; return whether there is nothing more to find out."""
        now = to_micros(self._clock.now())
        try:
            if await self._listens(resident.instance.port):
                await self._store.write(partial(_listens, resident))
                took_ms = (now - resident.instance.claimed_us) // 1_000
                self._events.emit("service.instance_ready", attempt=resident.attempt_id, took_ms=took_ms)
                return True
            if now >= states.deadline_us(resident.instance):
                await self._store.write(partial(_give_up, resident))
                return True
            return not await self._store.read(partial(_starts, resident))
        except JubakoError as error:  # such as a full disk: it may have room again
            self._events.emit("service.probe_failed", "ERROR", attempt=resident.attempt_id, error=repr(error))
            return False


def _starts(resident: Resident, tx: Tx) -> bool:
    instance = instance_rows.find(tx, resident.place)
    return instance.attempt == resident.instance.attempt and instance.state is InstanceState.STARTING


def _listens(resident: Resident, tx: Tx) -> None:
    instance_rows.listens(tx, resident.place, resident.instance.attempt)


def _give_up(resident: Resident, tx: Tx) -> None:
    problem = states.startup_problem(resident.instance)
    instance_rows.give_up(tx, resident.place, resident.instance.attempt, problem)
