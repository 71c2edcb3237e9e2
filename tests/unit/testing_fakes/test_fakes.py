"""The public fakes do what they say."""

import asyncio
import subprocess
import sys
from datetime import timedelta

from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents
from jubako.testing.faults import EXIT_CODE, DieAt, Recorder
from jubako.testing.ids import SeededIds

DIES = """
from jubako.testing.faults import DieAt
faults = DieAt("a", 2)
for name in "abaa":
    print(name, flush=True)
    faults.point(name)
"""


async def test_sleepers_wake_in_the_order_of_their_deadlines_each_at_its_instant() -> None:
    clock = FakeClock()
    begin = clock.now()
    woken: list[tuple[str, timedelta]] = []

    async def sleeper(name: str, *days: int) -> None:
        for day in days:
            await clock.sleep_until(begin + timedelta(days=day))
            woken.append((name, clock.now() - begin))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 5))
        group.create_task(sleeper("twice", 1, 3))
        group.create_task(sleeper("past", 0))
        group.create_task(sleeper("beyond", 8))
        await clock.wait_for_sleepers(3)
        await clock.advance(timedelta(days=7))
        assert woken == [
            (name, timedelta(days=day))
            for name, day in (("past", 0), ("twice", 1), ("twice", 3), ("late", 5))
        ]
        assert clock.now() == begin + timedelta(days=7)
        assert clock.deadlines == [begin + timedelta(days=8)]
        await clock.advance(timedelta(days=1))
    assert woken[-1] == ("beyond", timedelta(days=8))


async def test_a_sleeper_that_was_cancelled_is_forgotten() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep_until(clock.now() + timedelta(days=1)))
    await clock.wait_for_sleepers(1)
    task.cancel()
    await asyncio.wait([task])
    assert clock.deadlines == []
    await clock.advance(timedelta(days=2))


def test_the_same_seed_gives_the_same_ids() -> None:
    one, two, other = SeededIds(1), SeededIds(1), SeededIds(2)
    assert [one.uid(), one.suffix(5)] == [two.uid(), two.suffix(5)]
    assert one.uid() != other.uid()
    assert len(one.suffix(8)) == 8
    assert one.uid()[14] == "4"


def test_a_recorder_counts_visits() -> None:
    recorder = Recorder()
    for name in ("a", "b", "a"):
        recorder.point(name)
    assert recorder.visits == {"a": 2, "b": 1}


def test_a_process_dies_at_the_visit_it_was_told() -> None:
    result = subprocess.run([sys.executable, "-c", DIES], stdout=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stdout.split()) == (EXIT_CODE, ["a", "b", "a"])
    DieAt("a", 2).point("a")


async def test_events_can_be_waited_for() -> None:
    events = RecordedEvents()
    waiting = asyncio.create_task(events.wait_for("job.ended", 2))
    events.emit("job.ended", code=1)
    events.emit("job.started")
    events.emit("job.ended", "ERROR", code=2)
    assert (await waiting).fields == {"code": 2}
    assert [event.severity for event in events.named("job.ended")] == ["INFO", "ERROR"]
