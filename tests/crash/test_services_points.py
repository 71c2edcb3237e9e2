"""The services box dies at every point that it passes, and comes back: one instance, none left, nothing lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.unit.services.conftest import KEY, Box, template

from jubako.core.errors import AlreadyExists, NotFound
from jubako.store.port import Tx
from jubako.testing.faults import Recorder

DEADLINE = 20
POINTS = (
    "services.apply.before_commit",
    "services.change.after_commit",
    "services.claim.after_commit",
    "services.recover.before_submit",
    "services.stop.after_commit",
)


class Died(Exception):
    """The process is gone; whoever sees this stops at once."""


class DieOnce:
    """See Faults; like DieAt, but the process goes on as its own successor."""

    def __init__(self, name: str, visit: int) -> None:
        self._name = name
        self._left = visit
        self.died = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def point(self, name: str) -> None:
        """See Faults; also called on the store's thread."""
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                self._loop.call_soon_threadsafe(self.died.set)
                raise Died(name)


async def create(box: Box) -> None:
    with suppress(AlreadyExists):
        await box.create()


async def use(box: Box) -> None:
    lease = await box.admission.admit(KEY)
    lease.release()


async def update(box: Box) -> None:
    await box.update(template=template(args=["2"]))


async def old_is_gone(box: Box) -> None:
    while len(box.runtime.live) != 1:
        await box.settle()


async def crash(box: Box) -> None:
    box.runtime.lose(list(box.runtime.live))
    await box.runtime.drain()


async def delete(box: Box) -> None:
    with suppress(NotFound):
        await box.delete()


async def all_is_gone(box: Box) -> None:
    while bool(box.runtime.live) or await box.store.read(_has_instances):
        await box.settle()


def _has_instances(tx: Tx) -> bool:
    return tx.one("SELECT 1 FROM service_instances") is not None


async def come_back(box: Box) -> None:
    await box.restart()


STORY: tuple[Callable[[Box], Awaitable[None]], ...] = (
    create, use, come_back, use, update, use, old_is_gone, crash, use, come_back, delete, all_is_gone,
)  # fmt: skip


async def tell(box: Box, faults: DieOnce | None = None) -> None:
    """Go through the story; a step in which the box dies is done again by its successor."""
    for step in STORY:
        async with asyncio.timeout(DEADLINE):
            while not await survives(box, step, faults):
                await box.restart()


async def survives(box: Box, step: Callable[[Box], Awaitable[None]], faults: DieOnce | None) -> bool:
    doing = asyncio.ensure_future(step(box))
    if faults is None or faults.died.is_set():
        await doing
        return True
    dying = asyncio.ensure_future(faults.died.wait())
    await asyncio.wait((doing, dying), return_when=asyncio.FIRST_COMPLETED)
    dying.cancel()
    doing.cancel()
    with suppress(Died, asyncio.CancelledError):
        await doing
    return not faults.died.is_set()


def check(box: Box) -> None:
    """No attempt was started while another one of its revision lived: ids say which is which."""
    ids = [spec.id for spec in box.runtime.submitted]
    assert len(set(ids)) == len(ids)
    assert box.runtime.live == {}


async def test_the_story_passes_every_point(box: Box) -> None:
    await tell(box)
    check(box)
    assert isinstance(box.faults, Recorder)
    assert set(box.faults.visits) == set(POINTS)


@pytest.mark.parametrize("visit", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS)
async def test_dying_anywhere_leaves_one_instance_or_none(point: str, visit: int, tmp_path: Path) -> None:
    faults = DieOnce(point, visit)
    box = Box(tmp_path, faults)
    try:
        with suppress(Died):
            await box.enter()
        await tell(box, faults)
        check(box)
        assert faults.died.is_set() or visit > 1
    finally:
        await box.leave()
        await box.store.close()


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    box = Box(tmp_path)
    await box.enter()
    yield box
    await box.leave()
    await box.store.close()
