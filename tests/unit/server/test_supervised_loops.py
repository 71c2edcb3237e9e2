import asyncio
from datetime import timedelta
from itertools import pairwise

from jubako.core.errors import ResourceExhausted
from jubako.server.services import keep_running
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents


async def test_a_loop_that_fails_is_told_and_started_again_and_the_others_go_on() -> None:
    clock, events = FakeClock(), RecordedEvents()
    runs = {"bad": 0, "good": 0}

    async def bad() -> None:
        runs["bad"] += 1
        raise LookupError("a bug")

    async def good() -> None:
        runs["good"] += 1
        await asyncio.Event().wait()

    running = asyncio.ensure_future(keep_running({"bad": bad, "good": good}, clock, events))
    for count in (1, 2, 3):
        async with asyncio.timeout(10):
            await events.wait_for("loop.failed", count)
            await clock.wait_for_sleepers(1)
        await clock.advance(timedelta(seconds=30))
    assert runs["bad"] >= 3
    assert runs["good"] == 1
    assert "a bug" in str(events.named("loop.failed")[0].fields["error"])
    running.cancel()


async def test_a_loop_without_room_on_the_disk_tries_again_every_second_however_long_that_lasts() -> None:
    clock, events = FakeClock(), RecordedEvents()
    began = []

    async def full() -> None:
        began.append(clock.now())
        raise ResourceExhausted("The disk is full.")

    running = asyncio.ensure_future(keep_running({"full": full}, clock, events))
    for count in range(1, 11):
        async with asyncio.timeout(10):
            await events.wait_for("loop.waiting", count)
            await clock.wait_for_sleepers(1)
        await clock.advance(timedelta(seconds=1))
    running.cancel()
    assert {after - before for before, after in pairwise(began)} == {timedelta(seconds=1)}
    assert not events.named("loop.failed")
