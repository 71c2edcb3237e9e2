"""Histories that were asked for, kept in memory and fed as their journals grow.

So whoever looks again and again pays for what is new; and who never looks pays nothing. The least recently used ones
are forgotten once they hold many entries, and read anew from the journal when they are wanted again.
"""

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass, field

from jubako.boxes.workflows.history import History
from jubako.boxes.workflows.history_rows import Told, execution_history
from jubako.boxes.workflows.parts import Programs
from jubako.boxes.workflows.resources import Execution, ExecutionHistoryLevel, Workflow
from jubako.boxes.workflows.seat import decode_outcome
from jubako.core.timestamps import to_micros
from jubako.store.port import Store

ENTRIES_MAX = 200_000
"""How many step entries of all histories are kept: about 60 MB."""


@dataclass(slots=True)
class Past:
    """An execution and what it did; ``history`` is None before it has begun, or once its history is deleted."""

    execution: Execution
    workflow: Workflow
    """The revision it runs."""
    history: History | None


@dataclass(slots=True)
class _Kept:
    history: History | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def size(self) -> int:
        return len(self.history.steps.entries) + 1 if self.history is not None else 1


class Histories:
    """See the module."""

    def __init__(self, store: Store, *, entries_max: int = ENTRIES_MAX) -> None:
        self._store = store
        self._programs = Programs()
        self._entries_max = entries_max
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def of(self, name: str) -> Past:
        """Return the past of an execution as it is now.

        Raises:
            NotFound: There is none.

        """
        kept = self._kept.setdefault(name, _Kept())
        async with kept.lock:
            fed = kept.history.fed if kept.history is not None else 0
            try:
                told = await self._store.read(lambda tx: execution_history(tx, name, fed))
            except BaseException:
                self._kept.pop(name, None)
                raise
            if told.is_deleted or told.execution.start_time is None:
                kept.history = None
            else:
                kept.history = await asyncio.to_thread(self._fed, kept.history, told)
            past = Past(told.execution, told.workflow, kept.history)
        self._kept[name] = kept
        self._kept.move_to_end(name)
        self._forget()
        return past

    def _fed(self, history: History | None, told: Told) -> History:
        execution = told.execution
        if history is None:
            assert execution.start_time is not None
            history = History(
                self._programs.of(told.workflow),
                json.loads(execution.argument or "null"),
                to_micros(execution.start_time),
                detailed=is_detailed(told.workflow, execution),
            )
        for at, outcome in told.outcomes:
            history.feed(at, decode_outcome(outcome))
        if execution.state is Execution.State.CANCELLED and execution.end_time is not None:
            history.steps.cancel(to_micros(execution.end_time))
        return history

    def _forget(self) -> None:
        """Drop the least recently used histories; one at least stays."""
        held = sum(kept.size for kept in self._kept.values())
        while held > self._entries_max and len(self._kept) > 1:
            held -= self._kept.popitem(last=False)[1].size


def is_detailed(workflow: Workflow, execution: Execution) -> bool:
    """Return whether variables are recorded: what the execution says counts, and else what the workflow says."""
    level = execution.execution_history_level or workflow.execution_history_level
    return level is ExecutionHistoryLevel.EXECUTION_HISTORY_DETAILED
