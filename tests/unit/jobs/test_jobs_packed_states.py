"""The packed states of an execution are those of its rows, however it moves and however often it is asked."""

import contextlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jubako.boxes.jobs import packed_states
from jubako.boxes.jobs.packed_states import PackedStates
from jubako.boxes.jobs.rows import ExecutionRow
from jubako.runtime.port import Reason
from jubako.store.port import Tx

TASKS = 707


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_states, "PIECE", 50)


async def stored(box: Any) -> str:
    rows = await box.store.read(
        lambda tx: tx.all("SELECT execution_uid, state FROM job_tasks ORDER BY execution_uid, task_index")
    )
    return "".join(str(state)[0].upper() for _, state in rows)


@pytest.mark.parametrize("seed", range(4))
async def test_at_every_moment_they_are_what_is_stored(box: Any, seed: int) -> None:
    chance = random.Random(seed)
    await box.create(taskCount=TASKS, parallelism=90, task={"maxRetries": 2})
    name = (await box.run())["metadata"]["name"]
    cancel_at = chance.choice([6, 1_000])
    seen, packed = set(), ""
    for turn in range(1_000):
        await box.settle()
        if turn == cancel_at:
            await box.call("POST", f"/v2/{name}:cancel", {})
        packed = (await box.extra_json(f"{name}/taskStates"))["states"]
        assert packed == await stored(box)
        seen |= set(packed)
        live = sorted(box.runtime.live)
        if not live:
            break
        for attempt in chance.sample(live, chance.randint(1, len(live))):
            box.runtime.finish(attempt, Reason.EXITED, exit_code=int(chance.random() < 0.4))
    assert len(packed) == TASKS
    assert set(packed) <= set("SFC")
    assert {"P", "R", "S"} <= seen


async def test_pieces_that_are_over_are_not_read_again(box: Any) -> None:
    await box.create(taskCount=TASKS, parallelism=TASKS)
    await box.run()
    while not await _all_over(box):
        for attempt in list(box.runtime.live):
            box.runtime.finish(attempt, Reason.EXITED, exit_code=0)
        await box.settle()
    uid = await box.store.read(lambda tx: tx.one("SELECT uid FROM job_executions")[0])
    states, over = PackedStates(), execution(uid, TASKS)
    assert await box.store.read(lambda tx: states.of(tx, over, 1)) is None
    first = await box.store.read(lambda tx: states.of(tx, over, TASKS))
    await box.store.write(lambda tx: tx.run("DELETE FROM job_tasks"))
    assert await box.store.read(lambda tx: states.of(tx, over, 0)) == first == "S" * TASKS


def test_tasks_that_all_wait_are_known_without_a_look_at_any() -> None:
    tx = cast("Tx", NoRows())
    assert PackedStates().of(tx, execution("a", TASKS, pending=TASKS), 0) == "P" * TASKS


def execution(uid: str, task_count: int, *, pending: int = 0) -> ExecutionRow:
    row = SimpleNamespace(uid=uid, task_count=task_count, counts=SimpleNamespace(pending=pending))
    return cast("ExecutionRow", row)


class NoRows:
    """A transaction that sees an empty store."""

    def all(self, _sql: str, *_params: object) -> list[Any]:
        return []


class Meeting(dict[str, dict[int, str]]):
    """A dict in which whoever clears it waits a moment for somebody else who does the same."""

    def __init__(self) -> None:
        super().__init__(old={})
        self._barrier = threading.Barrier(2)

    def clear(self) -> None:
        super().clear()
        with contextlib.suppress(threading.BrokenBarrierError):  # nobody came
            self._barrier.wait(0.1)


def test_two_threads_do_not_make_it_remember_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_states, "_EXECUTIONS_MAX", 1)
    states, tx = PackedStates(), cast("Tx", NoRows())
    states._over = Meeting()
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda uid: states.of(tx, execution(uid, 0), 0), "ab")) == ["", ""]
    assert len(states._over) == 1


async def _all_over(box: Any) -> bool:
    return set(await stored(box)) == {"S"}
