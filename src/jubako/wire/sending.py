"""A call on its way to the outside without a task; only where redirects lead is followed by one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from jubako.wire.http import HttpResponse
from jubako.wire.outbound import Answered, CallTimeout


class Cancellable(Protocol):
    """Something under way."""

    def cancel(self) -> object:
        """Give it up."""
        ...


class Sending:
    """Tells once: the answer, the EgressError that came instead, or that the time is over."""

    def __init__(self, told: Answered, seconds: float, late: Callable[[], CallTimeout]) -> None:
        """``late`` makes what is told after so many seconds."""
        self._told = told
        self._late = late
        self._timer = asyncio.get_running_loop().call_later(seconds, self._time_out)
        self._under_way: Cancellable | None = None

    def through(self, under_way: Cancellable) -> None:
        """Say what to give up at the end of the time."""
        self._under_way = under_way

    def follow(self, leading: Coroutine[Any, Any, HttpResponse]) -> None:
        """Have what it leads to told."""
        task = asyncio.get_running_loop().create_task(leading)
        task.add_done_callback(self._followed)
        self._under_way = task

    def tell(self, found: HttpResponse | Exception) -> None:
        """End with this."""
        self._timer.cancel()
        self._under_way = None
        self._told(found)

    def cancel(self) -> None:
        """Give up: nobody is told."""
        self._timer.cancel()
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.cancel()

    def _time_out(self) -> None:
        self.cancel()
        self._told(self._late())

    def _followed(self, task: "asyncio.Task[HttpResponse]") -> None:
        if task.cancelled() or self._under_way is not task:
            return
        error = task.exception()
        self.tell(error if isinstance(error, Exception) else task.result())
