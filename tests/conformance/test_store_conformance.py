"""What every Store adapter must do; a new adapter joins with one line in MAKERS."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jubako.store.migrations import Migration
from jubako.store.port import Store, Tx
from jubako.store.sqlite import SqliteStore

SCHEMA = [Migration("test", 1, "CREATE TABLE items (key TEXT PRIMARY KEY, value BIGINT NOT NULL);\n")]


class StillClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep_until(self, deadline: datetime) -> None:
        await asyncio.Event().wait()


MAKERS: dict[str, Callable[[Path], Store]] = {
    "sqlite-memory": lambda _: SqliteStore(None, StillClock(), SCHEMA),
    "sqlite-file": lambda folder: SqliteStore(folder / "state.db", StillClock(), SCHEMA),
}


@pytest.fixture(params=MAKERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MAKERS[request.param](tmp_path)
    yield store
    await store.close()


def put(key: str, value: int) -> Callable[[Tx], None]:
    def fn(tx: Tx) -> None:
        tx.run(
            "INSERT INTO items (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            key,
            value,
        )

    return fn


def everything(tx: Tx) -> dict[str, int]:
    return dict(tx.all("SELECT key, value FROM items"))


async def test_what_is_written_is_read(store: Store) -> None:
    await store.write(put("a", 1))
    assert await store.read(everything) == {"a": 1}


async def test_a_function_that_raises_leaves_nothing_and_takes_no_neighbour_with_it(store: Store) -> None:
    def fail(tx: Tx) -> None:
        put("lost", 1)(tx)
        raise LookupError("mine")

    outcomes = await asyncio.gather(
        store.write(put("before", 1)), store.write(fail), store.write(put("after", 2)), return_exceptions=True
    )
    assert isinstance(outcomes[1], LookupError)
    assert await store.read(everything) == {"before": 1, "after": 2}


async def test_a_failing_statement_reaches_its_caller_only(store: Store) -> None:
    outcomes = await asyncio.gather(
        store.write(lambda tx: tx.run("INSERT INTO nowhere VALUES (1)")),
        store.write(put("kept", 1)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], Exception)
    assert await store.read(everything) == {"kept": 1}


async def test_read_modify_write_by_many_callers_loses_no_update(store: Store) -> None:
    await store.write(put("n", 0))

    def add(tx: Tx) -> None:
        row = tx.one("SELECT value FROM items WHERE key = ?", "n")
        assert row is not None
        put("n", row[0] + 1)(tx)

    await asyncio.gather(*(store.write(add) for _ in range(200)))
    assert await store.read(everything) == {"n": 200}


async def test_returning_gives_the_row_that_was_written(store: Store) -> None:
    row = await store.write(
        lambda tx: tx.one("INSERT INTO items (key, value) VALUES (?, ?) RETURNING key, value", "r", 5)
    )
    assert row == ("r", 5)


async def test_a_read_cannot_change_anything(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)read.?only"):
        await store.read(lambda tx: tx.run("INSERT INTO items VALUES ('x', 1)"))
    await store.write(put("y", 1))
    assert await store.read(everything) == {"y": 1}


async def test_a_peek_sees_what_was_written_before_it_and_cannot_change_anything(store: Store) -> None:
    for value in range(3):
        await store.write(put("a", value))
        assert await store.peek(everything) == {"a": value}
    with pytest.raises(Exception, match=r"(?i)read.?only"):
        await store.peek(put("a", 9))
    assert await store.peek(everything) == {"a": 2}


async def test_a_transaction_is_dead_after_its_function(store: Store) -> None:
    kept: list[Tx] = []
    await store.write(kept.append)
    with pytest.raises(AssertionError):
        kept[0].one("SELECT 1")


async def test_a_watch_hears_a_wake_that_came_before_it_waits_and_only_its_topic(store: Store) -> None:
    with store.watch("jobs") as jobs, store.watch("other") as other:
        await store.write(lambda tx: tx.wake("jobs"))
        await asyncio.wait_for(jobs.wait(), 5)
        deadline = asyncio.ensure_future(other.wait())
        await store.write(lambda tx: tx.wake("jobs"))
        assert not deadline.done()
        deadline.cancel()


async def test_a_gathering_says_once_which_topics_of_its_prefix_were_woken(store: Store) -> None:
    with store.gather("jobs/") as jobs:
        for topic in ("jobs/a", "other/x", "jobs/b", "jobs/a"):
            await store.write(lambda tx, topic=topic: tx.wake(topic))  # type: ignore[misc]
        assert list(await asyncio.wait_for(jobs.take(), 5)) == ["a", "b"]
        waiting = asyncio.ensure_future(jobs.take())
        await store.write(lambda tx: tx.wake("other/y"))
        assert not waiting.done()
        await store.write(lambda tx: tx.wake("jobs/c"))
        assert list(await asyncio.wait_for(waiting, 5)) == ["c"]


async def test_a_wake_brings_its_news_and_the_last_ones_are_told(store: Store) -> None:
    def tell(tx: Tx, *news: object) -> None:
        for one in news:
            tx.wake("jobs/a", one)

    with store.gather("jobs/") as jobs, store.watch("jobs/a") as watch:
        await store.write(lambda tx: tell(tx, "begun", "ended"))
        assert await asyncio.wait_for(jobs.take(), 5) == {"a": "ended"}
        await asyncio.wait_for(watch.wait(), 5)
        assert watch.news == "ended"
        await asyncio.gather(
            store.write(lambda tx: tell(tx, "ended")), store.write(lambda tx: tell(tx, None))
        )
        assert await asyncio.wait_for(jobs.take(), 5) == {"a": None}
        assert watch.news is None


async def test_a_rolled_back_function_wakes_nobody(store: Store) -> None:
    def fail(tx: Tx) -> None:
        tx.wake("jobs")
        raise LookupError

    with store.watch("jobs") as watch:
        with pytest.raises(LookupError):
            await store.write(fail)
        waiting = asyncio.ensure_future(watch.wait())
        await store.read(everything)
        assert not waiting.done()
        waiting.cancel()


async def test_a_cancelled_caller_does_not_undo_its_write(store: Store) -> None:
    task = asyncio.ensure_future(store.write(put("late", 1)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.write(put("next", 2))
    assert await store.read(everything) == {"late": 1, "next": 2}


async def test_closing_twice_is_safe_and_later_calls_are_refused(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(Exception, match="closed"):
        await store.write(put("a", 1))


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(0, 9)),
        st.tuples(st.just("delete"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("add_or_fail"), st.sampled_from("abc"), st.integers(0, 9)),
    ),
    max_size=30,
)


def apply_to_store(tx: Tx, action: tuple[str, str, int]) -> None:
    kind, key, value = action
    if kind == "put":
        put(key, value)(tx)
    elif kind == "delete":
        tx.run("DELETE FROM items WHERE key = ?", key)
    else:
        put("touched", value)(tx)
        if tx.run("UPDATE items SET value = value + ? WHERE key = ?", value, key) == 0:
            raise LookupError(key)


def apply_to_model(model: dict[str, int], action: tuple[str, str, int]) -> dict[str, int]:
    kind, key, value = action
    if kind == "put":
        return model | {key: value}
    if kind == "delete":
        return {k: v for k, v in model.items() if k != key}
    return model | {"touched": value, key: model[key] + value} if key in model else model


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, at_once=st.booleans())
def test_random_sequences_agree_with_a_plain_dictionary(
    maker: str, tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str, int]], at_once: bool
) -> None:
    async def run() -> dict[str, int]:
        store = MAKERS[maker](tmp_path_factory.mktemp("store"))
        writes = [lambda tx, action=action: apply_to_store(tx, action) for action in actions]
        if at_once:
            await asyncio.gather(*(store.write(write) for write in writes), return_exceptions=True)
        else:
            for write in writes:
                await asyncio.gather(store.write(write), return_exceptions=True)
        state = await store.read(everything)
        await store.close()
        return state

    model: dict[str, int] = {}
    for action in actions:
        model = apply_to_model(model, action)
    assert asyncio.run(run()) == model
