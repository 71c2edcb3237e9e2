"""The packed states of an execution are those of its rows, however it moves and however often it is asked."""

import random
from typing import Any

import pytest

from jubako.boxes.jobs import packed_states
from jubako.boxes.jobs.packed_states import PackedStates
from jubako.runtime.port import Reason

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
    states = PackedStates()
    first = await box.store.read(lambda tx: states.of(tx, uid, TASKS))
    await box.store.write(lambda tx: tx.run("DELETE FROM job_tasks"))
    assert await box.store.read(lambda tx: states.of(tx, uid, TASKS)) == first == "S" * TASKS


async def _all_over(box: Any) -> bool:
    return set(await stored(box)) == {"S"}
