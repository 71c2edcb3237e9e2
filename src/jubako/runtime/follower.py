"""Turning the supervisor's journal into events, handed to the sink in order with the position behind them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from jubako.core.errors import Unavailable
from jubako.core.timestamps import from_micros
from jubako.runtime.port import AttemptEvent, Ended, Reason, Sink, Started
from jubako.runtime.supervisor.protocol import parse_position

PATIENCE_S = 0.01
"""How long an event waits at most for one that cannot: so the start of a short task shares a commit with its end."""
_EVENTLESS_BYTES_MAX = 256 << 10
"""After so much of the journal without an event the sink gets the position alone, so that the window moves on."""


class _Record(msgspec.Struct):
    """A line of the journal, see ``supervisor.protocol``."""

    k: Literal["head", "try", "start", "end", "live"]
    id: str = ""
    t: int = 0
    pid: int = 0
    r: Reason = Reason.EXITED
    c: int | None = None
    s: int | None = None
    d: str = ""
    o: int | None = None


_DECODER = msgspec.json.Decoder(_Record)


def parse(lines: bytes) -> list[AttemptEvent]:
    """Return the events of whole journal lines."""
    events: list[AttemptEvent] = []
    for line in lines.splitlines():
        record = _DECODER.decode(line)
        if record.k == "start":
            events.append(Started(id=record.id, time=from_micros(record.t), pid=record.pid))
        elif record.k == "end":
            events.append(_ended(record))
    return events


def _ended(record: _Record) -> Ended:
    return Ended(
        id=record.id,
        time=from_micros(record.t),
        reason=record.r,
        exit_code=record.c,
        term_signal=record.s,
        detail=record.d,
        output_bytes=record.o,
    )


class Follower:
    """Delivers what it is fed, one sink call at a time; what comes during a call goes into the next one."""

    def __init__(
        self,
        sink: Sink,
        acknowledge: Callable[[str], None],
        failed: Callable[[], None],
        may_wait: Callable[[AttemptEvent], bool],
    ) -> None:
        """Begin to deliver.

        Args:
            sink: Gets the events.
            acknowledge: Told each position that the sink has taken.
            failed: Called once if the sink raises; nothing is delivered after that.
            may_wait: Says which events may be delivered PATIENCE_S late, together with what comes until then.

        """
        self._sink = sink
        self._acknowledge = acknowledge
        self._failed = failed
        self._may_wait = may_wait
        self._timer: asyncio.TimerHandle | None = None
        self._events: list[AttemptEvent] = []
        self._position = ""
        self._bytes = 0
        self._reached: tuple[str, int] = ("", 0)
        self._is_stopping = False
        self._fed = asyncio.Event()
        self._moved = asyncio.Event()
        self._delivering = asyncio.create_task(self._deliver(), name="runtime.deliver")
        self._delivering.add_done_callback(self._done)

    def feed(self, lines: bytes, position: str) -> None:
        """Take whole journal lines and the position behind them."""
        events = parse(lines)
        self._events += events
        self._position = position
        self._bytes += len(lines)
        if not self._events or not all(map(self._may_wait, events)):
            self._fed.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._fed.set)

    async def wait_until(self, end: tuple[str, int]) -> None:
        """Return when everything before ``end`` was delivered; raises what the sink raised.

        Raises:
            Unavailable: The connection broke before.

        """
        while self._reached < end:
            if self._delivering.done():
                self.raise_failure()
                raise Unavailable("the connection to the supervisor broke")
            self._moved.clear()
            await self._moved.wait()

    async def stop(self) -> None:
        """Deliver nothing more; returns when the sink is not busy any more."""
        self._is_stopping = True
        self._fed.set()
        await asyncio.wait([self._delivering])

    def raise_failure(self) -> None:
        """Raise what the sink raised, if it did."""
        if self._delivering.done() and not self._delivering.cancelled():
            self._delivering.result()

    async def _deliver(self) -> None:
        while True:
            await self._fed.wait()
            self._fed.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._is_stopping:
                return
            events, self._events = self._events, []
            await self._hand_over(events, self._position)

    async def _hand_over(self, events: Sequence[AttemptEvent], position: str) -> None:
        if events or self._bytes > _EVENTLESS_BYTES_MAX:
            self._bytes = 0
            await self._sink(events, position)
            # Only what the sink has stored: the supervisor deletes what lies before.
            self._acknowledge(position)
        self._reached = parse_position(position)
        self._moved.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._moved.set()
        if not task.cancelled() and task.exception() is not None:
            self._failed()
