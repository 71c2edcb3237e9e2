"""How far a reception is, as server-sent events.

    event: progress
    data: {"state": "RUNNING", "progress": 0.42, "branches": {...}, "secondsLeft": 31.0}

1. ``progress`` never goes back: what a stream has told it does not take back, and it counts results that exist.
2. ``secondsLeft`` lies between what is left of the longest branch at its own pace and what is left of all at the pace
   of all; then comes the report. Paces are seen since somebody first looked. Null until there is one. What was told
   before runs down with the clock, and each look moves it half of the way to what it sees now.
3. The last event is ``end``, with the final state and the reason. A stream that breaks may simply be asked for anew:
   the next one goes on with the `Estimate` of the one before.

The form is that of the HTML standard, "Server-sent events"; a comment keeps idle connections open.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

from jubako_apps.telop import receptions
from jubako_apps.telop.desk import FINAL, Status
from jubako_apps.telop.receptions import Reception, Stage
from jubako_sdk import Sink

LOOK_S: Final = 1.0
REPORT_S: Final = 1.0
REPORT_SHARE: Final = 0.08
"""Until a report was made, its time is guessed: to start, and this part of what reading all captions takes."""

SEEN_MIN: Final = 2
"""Of fewer results since the first nobody can tell a pace."""

UNDER_WAY: Final = 0.5
"""Which part of the shards that somebody works on is done, on the average."""

STEP: Final = 0.5
"""Which part of the way from what was told to what is seen one look goes."""

IDLE_LOOKS: Final = 15
"""After so many looks without news a comment is sent."""


Counts = Mapping[Stage, Mapping[str, int]]
"""``{stage: {"done", "total"}}``"""


class Estimate:
    """The time that is left, from how fast results have come since the first look; times in seconds."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        self._begun: dict[Stage, tuple[float, int]] = {}
        self._told = 0.0
        self._left: tuple[float, float] | None = None

    def monotone(self, progress: float) -> float:
        """Return the progress, never less than before."""
        self._told = max(self._told, progress)
        return self._told

    def by_branch(self, now: float, counts: Counts, seconds: Mapping[Stage, float]) -> float | None:
        """Return what is left; None until every branch has a pace.

        At most it is what is left of the longest branch at the pace it has beside the others; at least what is left of
        all at the pace of all, if whoever is done first makes room for the others. The middle is told.

        Args:
            now: The time.
            counts: How many shards of each stage are done, of how many.
            seconds: What the done ones of each stage took together.

        """
        slow, busy, work = 0.0, 0.0, 0.0
        for stage, count in counts.items():
            done, left = count["done"], count["total"] - count["done"]
            # From its first result on: starting up is no pace.
            since, first = self._begun.setdefault(stage, (now, done)) if done else (now, done)
            if stage == "report":
                continue
            if left and (done - first < SEEN_MIN or now <= since):
                return None
            mean = seconds.get(stage, 0.0) / done if done else 0.0
            at_once = mean * (done - first) / (now - since) if now > since else 0.0
            rest = max(left - UNDER_WAY * at_once, UNDER_WAY) if left else 0.0
            work += rest * mean
            busy += at_once
            if left:
                slow = max(slow, rest * (now - since) / (done - first))
        together = work / busy if busy else slow
        return self._steady(now, (slow + min(slow, together)) / 2 + self._report(counts, seconds))

    def _steady(self, now: float, seen: float) -> float:
        """Return what is told: what was told before, less the time since then, moved towards what is seen now."""
        told = seen
        if self._left is not None:
            before = max(0.0, self._left[1] - (now - self._left[0]))
            told = before + STEP * (seen - before)
        self._left = now, told
        return round(told, 1)

    def _report(self, counts: Counts, seconds: Mapping[Stage, float]) -> float:
        """Return how long the report will take, which comes alone and last; until one was made that is a guess."""
        means = {stage: seconds[stage] / counts[stage]["done"] for stage in seconds if counts[stage]["done"]}
        reading = means.get("ocr", 0.0) * counts["ocr"]["total"]
        left = counts["report"]["total"] - counts["report"]["done"]
        return left * means.get("report", REPORT_S + REPORT_SHARE * reading)

    def seconds_left(self, now: float, progress: float) -> float | None:
        """Return what is left at the pace so far, for want of times; None until there is a pace."""
        if self._first is None:
            self._first = (now, progress)
        since, start = self._first
        if progress >= 1:
            return 0.0
        if progress <= start or now <= since:
            return None
        return round((1 - progress) * (now - since) / (progress - start), 1)


async def telling(
    place: Sink,
    reception: Reception,
    settled: Callable[[], Awaitable[Status]],
    estimate: Estimate,
    look_s: float = LOOK_S,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[str, None]:
    """Yield events until the reception has ended; ``estimate`` is kept from one stream of it to the next."""
    before, idle = "", 0
    while True:
        status = await settled()
        counts = await asyncio.to_thread(receptions.branches, place, reception)
        progress = estimate.monotone(receptions.progress(counts, reception))
        seconds = await asyncio.to_thread(receptions.seconds, place, reception.id)
        paced, branch = estimate.seconds_left(clock(), progress), estimate.by_branch(clock(), counts, seconds)
        left = paced if branch is None or progress >= 1 else branch
        seen = {"state": status.state, "progress": progress, "branches": counts}
        key = json.dumps(seen)
        if key != before:
            yield _event("progress", seen | {"secondsLeft": left})
            before, idle = key, 0
        if status.state in FINAL:
            yield _event("end", {"state": status.state, "reason": status.reason})
            return
        idle += 1
        if idle % IDLE_LOOKS == 0:
            yield ": still there\n\n"
        await asyncio.sleep(look_s)


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
