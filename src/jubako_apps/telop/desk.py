"""Keeping receptions and what runs for them in line.

`settle` may be called at any time, any number of times, by anybody: a request, the sweep at start, another instance.
It looks for the execution by its label before it starts one, so a crash between record and start is made good by
whoever looks next; and it ends what is marked as cancelled until nothing of it runs.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

from jubako_apps.telop import lives, receptions
from jubako_apps.telop.google_api import ApiError, Jobs, Workflow
from jubako_apps.telop.receptions import Reception
from jubako_apps.telop.recognisers import BUILT_IN
from jubako_apps.telop.settings import Settings
from jubako_apps.telop.webhook import Webhook
from jubako_sdk import Sink, log

State = Literal["RECEIVED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]

STATES: dict[str, State] = {
    "ACTIVE": "RUNNING",
    "QUEUED": "RUNNING",
    "UNAVAILABLE": "RUNNING",
    "STATE_UNSPECIFIED": "RUNNING",
    "SUCCEEDED": "SUCCEEDED",
    "FAILED": "FAILED",
    "CANCELLED": "CANCELLED",
}
"""Workflow Executions API, Execution.State; a state we cannot know is no end."""

NO_REPORT = "The check ended, but there is no report: do service and jobs have the same OUTPUT_URI?"

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
TASKS_MAX = 10_000
"""Cloud Run jobs, tasks per execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a reception stands; ``reason`` says why it failed."""

    state: State
    reason: str | None = None
    cancelling: bool = False


class Desk:
    """Starts, watches and ends the runs of receptions."""

    def __init__(
        self, sink: Sink, workflow: Workflow, jobs: Jobs, settings: Settings, webhook: Webhook | None = None
    ) -> None:
        self._sink = sink
        self._workflow = workflow
        self._jobs = jobs
        self._output_uri = settings.output_uri
        self._tasks_max = min(settings.tasks_max, TASKS_MAX)
        self._webhook = webhook
        self._executions: dict[str, str] = {}
        # One at a time per reception: of two racing requests the second finds what the first has started.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def settle(self, reception: Reception) -> Status:
        """Start what is missing, end what is cancelled, record what has ended; return where it stands.

        Raises:
            ApiError: The platform cannot be asked. The reception is safe; ask again.

        """
        outcome = await asyncio.to_thread(receptions.outcome_of, self._sink, reception.id)
        if outcome is not None:
            self._locks.pop(reception.id, None)
            return Status(state=outcome["state"], reason=outcome["reason"])
        async with self._locks[reception.id]:
            execution = await self._find(reception.id)
            if await asyncio.to_thread(receptions.is_cancelled, self._sink, reception.id):
                return await self._end(reception, execution)
            if execution is None:
                execution = await self._start(reception)
            return await self._status(reception, execution)

    async def cancel(self, reception: Reception) -> Status:
        """Mark the reception as cancelled, durably, and end its run; one that has ended stays as it is."""
        outcome = await asyncio.to_thread(receptions.outcome_of, self._sink, reception.id)
        if outcome is None:
            await asyncio.to_thread(receptions.cancel, self._sink, reception.id)
        return await self.settle(reception)

    async def rerun(self, reception: Reception) -> Status:
        """Start what has ended once more; only what has no result is done. One that runs goes on as it is."""
        async with self._locks[reception.id]:
            if await asyncio.to_thread(lives.again, self._sink, reception):
                self._executions.pop(reception.id, None)
        return await self.settle(reception)

    async def remove(self, reception: Reception) -> Status | None:
        """End the reception's run and delete everything of it; None once nothing is left."""
        await asyncio.to_thread(lives.remove, self._sink, reception.id)
        status = await self.settle(reception)
        if status.state not in FINAL:
            return status
        async with self._locks[reception.id]:
            await asyncio.to_thread(lives.purge, self._sink, reception)
        self._locks.pop(reception.id, None)
        return None

    async def sweep(self) -> int:
        """Settle every reception that has not ended; return how many are still under way."""
        unfinished = 0
        for reception in await asyncio.to_thread(lambda: list(receptions.unfinished(self._sink))):
            try:
                removed = await asyncio.to_thread(lives.is_removed, self._sink, reception.id)
                status = await (self.remove(reception) if removed else self.settle(reception))
            except ApiError as error:
                log(
                    "WARNING",
                    f"reception {reception.id} could not be settled: {error}",
                    reception=reception.id,
                )
                unfinished += 1
            else:
                unfinished += status is not None and status.state not in FINAL
        return unfinished

    async def _find(self, reception: str) -> dict[str, Any] | None:
        name = self._executions.get(reception)
        if name is not None:
            try:
                return await self._workflow.get(name)
            except ApiError as error:
                if error.status != 404:
                    raise
        run = await asyncio.to_thread(lives.run_number, self._sink, reception)
        found = await self._workflow.find(reception, run)
        if found is not None:
            self._executions[reception] = found["name"]
        return found

    async def _start(self, reception: Reception) -> dict[str, Any]:
        argument = {
            "reception": reception.id,
            "segments": reception.segments,
            "ocr_tasks": min(reception.segments, self._tasks_max),
            "speech_tasks": min(reception.speech_parts, self._listeners_max(reception)),
            "output_uri": self._output_uri,
        }
        run = await asyncio.to_thread(lives.run_number, self._sink, reception.id)
        execution = await self._workflow.start(reception.id, run, argument)
        self._executions[reception.id] = execution["name"]
        log("INFO", f"reception {reception.id} started", reception=reception.id, execution=execution["name"])
        # Another instance may have cancelled between our look and our start.
        if await asyncio.to_thread(receptions.is_cancelled, self._sink, reception.id):
            await self._workflow.cancel(execution["name"])
        return execution

    def _listeners_max(self, reception: Reception) -> int:
        """Return the most tasks for speech: what loads fast has one for each part, which divides evenly."""
        return TASKS_MAX if reception.speech == BUILT_IN else self._tasks_max

    async def _status(self, reception: Reception, execution: dict[str, Any]) -> Status:
        state = STATES.get(execution.get("state", ""), "RUNNING")
        if state not in FINAL:
            return Status(state=state)
        if state != "SUCCEEDED":
            reason = await asyncio.to_thread(self._reason, reception.id, execution)
            return await self._finish(reception.id, state, reason)
        if not await asyncio.to_thread(self._sink.exists, receptions.result_name(reception.id, "report")):
            return await self._finish(reception.id, "FAILED", NO_REPORT)
        return await self._finish(reception.id, "SUCCEEDED", None)

    async def _end(self, reception: Reception, execution: dict[str, Any] | None) -> Status:
        """Cancel whatever runs; it is CANCELLED once nothing does."""
        state = STATES.get(execution.get("state", ""), "RUNNING") if execution else "CANCELLED"
        if execution is not None and state not in FINAL:
            await self._workflow.cancel(execution["name"])
            execution = await self._workflow.get(execution["name"])
            state = STATES.get(execution.get("state", ""), "RUNNING")
        running = await self._jobs.running(reception.id) if state != "SUCCEEDED" else []
        for job in running:
            await self._jobs.cancel(job)
        if running:
            running = await self._jobs.running(reception.id)
        if state not in FINAL or running:
            return Status(state="RUNNING", cancelling=True)
        if state == "SUCCEEDED" and execution is not None:
            return await self._status(reception, execution)
        return await self._finish(reception.id, "CANCELLED", None)

    async def _finish(self, reception: str, state: State, reason: str | None) -> Status:
        is_wanted = not await asyncio.to_thread(lives.is_removed, self._sink, reception)
        if self._webhook is not None and is_wanted:
            await asyncio.to_thread(self._webhook.note, reception)
        outcome = await asyncio.to_thread(receptions.finish, self._sink, reception, state, reason)
        self._executions.pop(reception, None)
        if (
            await asyncio.to_thread(receptions.load, self._sink, reception) is None
        ):  # removed by another instance
            await asyncio.to_thread(self._sink.delete, receptions.home(reception) + "outcome.json")
        return Status(state=outcome["state"], reason=outcome["reason"])

    def _reason(self, reception: str, execution: dict[str, Any]) -> str:
        known = receptions.reason_of(self._sink, reception)
        if known is not None:
            return known
        error = execution.get("error", {})
        return (
            "The check stopped: "
            + str(error.get("payload") or error.get("context") or "nobody said why")[:500]
        )
