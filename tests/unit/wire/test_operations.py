import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest

from jubako.boxes.jobs.resources import Execution, Job
from jubako.core.errors import Aborted, Cancelled, FailedPrecondition, InvalidArgument, NotFound
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.wire import idempotency, operations
from jubako.wire.codec import pack
from jubako.wire.google_types import (
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    WaitOperationRequest,
)
from jubako.wire.method import Caller
from jubako.wire.operations_api import OperationsHandlers
from jubako.wire.paging import Page, cut, page_of

PARENT = "projects/p/locations/l"
NAME = f"{PARENT}/operations/o"
CALLER = Caller(principal="user:local")


def running(_: Tx, target: str) -> Execution:
    return Execution(name=target, running_count=3)


def gone(_: Tx, target: str) -> None:
    assert target == "e"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(clock: FakeClock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(None, clock, load("jubako.store", "jubako.wire"))
    yield store
    await store.close()


@pytest.fixture
def handlers(store: SqliteStore, clock: FakeClock) -> OperationsHandlers:
    describers = {"execution": running}
    return OperationsHandlers(store, clock, "run", describers)


async def start(store: SqliteStore, name: str = NAME, kind: str = "execution", api: str = "run") -> None:
    metadata = Execution(name="e")
    operation = operations.Start(name=name, api=api, metadata=metadata, target_kind=kind, target="e")
    await store.write(lambda tx: operations.start(tx, operation))


async def test_a_running_operation_tells_fresh_metadata(
    store: SqliteStore, handlers: OperationsHandlers
) -> None:
    await start(store)
    operation = await handlers.get(GetOperationRequest(name=NAME), CALLER)
    assert not operation.done
    assert operation.metadata == pack(Execution(name="e", running_count=3))


async def test_without_a_describer_or_target_the_first_metadata_stands(store: SqliteStore) -> None:
    await start(store)
    for describers in ({}, {"execution": gone}):
        operation = await store.read(partial(operations.get, name=NAME, describers=describers))
        assert operation.metadata == pack(Execution(name="e"))


async def test_a_done_operation_never_changes(store: SqliteStore, handlers: OperationsHandlers) -> None:
    await start(store)
    done = Execution(name="e", succeeded_count=1)
    assert await store.write(lambda tx: operations.finish(tx, NAME, done, done))
    assert not await store.write(lambda tx: operations.finish(tx, NAME, Execution(name="other")))
    assert not await store.write(lambda tx: operations.fail(tx, NAME, Cancelled("late")))
    await start(store)
    operation = await handlers.get(GetOperationRequest(name=NAME), CALLER)
    assert operation.done
    assert operation.response == operation.metadata == pack(done)
    assert operation.error is None


async def test_a_failed_operation_carries_code_and_message(
    store: SqliteStore, handlers: OperationsHandlers
) -> None:
    await start(store)
    await store.write(lambda tx: operations.fail(tx, NAME, Aborted("2 tasks failed")))
    operation = await handlers.get(GetOperationRequest(name=NAME), CALLER)
    assert operation.error is not None
    assert (operation.error.code, operation.error.message) == (10, "2 tasks failed")
    assert (operation.done, operation.response) == (True, None)


async def test_ending_an_unknown_operation_is_harmless(store: SqliteStore) -> None:
    assert not await store.write(lambda tx: operations.finish(tx, NAME, Job()))


@pytest.mark.parametrize("name", [NAME, "projects/p/locations/l/operations/a%2Fb"])
async def test_what_does_not_exist_is_not_found(handlers: OperationsHandlers, name: str) -> None:
    with pytest.raises(NotFound):
        await handlers.get(GetOperationRequest(name=name), CALLER)


async def test_a_malformed_name_is_refused(handlers: OperationsHandlers) -> None:
    with pytest.raises(InvalidArgument):
        await handlers.get(GetOperationRequest(name="operations/o"), CALLER)


async def test_the_operations_of_another_api_are_not_seen(
    store: SqliteStore, handlers: OperationsHandlers
) -> None:
    await start(store, api="workflows")
    with pytest.raises(NotFound):
        await handlers.get(GetOperationRequest(name=NAME), CALLER)
    assert (await handlers.list(ListOperationsRequest(name=PARENT), CALLER)).operations == []


async def test_operations_are_listed_in_pages_that_miss_nothing(
    store: SqliteStore, handlers: OperationsHandlers
) -> None:
    names = [f"{PARENT}/operations/{letter}" for letter in "abcde"]
    for name in [*names, "projects/p/locations/other/operations/x"]:
        await start(store, name)
    seen, token = [], ""
    while True:
        request = ListOperationsRequest(name=PARENT, page_size=2, page_token=token)
        response = await handlers.list(request, CALLER)
        seen += [operation.name for operation in response.operations]
        token = response.next_page_token
        if not token:
            break
        await store.write(lambda tx: tx.run("DELETE FROM operations WHERE name = ?", names[0]))
    assert seen == names


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (0, "%"), (0, "é"), (0, "_w==")])
def test_bad_pages_are_refused(size: int, token: str) -> None:
    with pytest.raises(InvalidArgument, match="page"):
        page_of(size, token)


def test_page_sizes_have_a_default_and_a_maximum() -> None:
    assert (page_of(0, "").size, page_of(10**6, "").size) == (100, 1000)
    shown, token = cut(["a", "b"], Page(1, ""), str)
    assert (shown, page_of(1, token).after) == (["a"], "a")


async def test_only_a_done_operation_can_be_deleted(store: SqliteStore, handlers: OperationsHandlers) -> None:
    await start(store)
    request = DeleteOperationRequest(name=NAME)
    with pytest.raises(FailedPrecondition):
        await handlers.delete(request, CALLER)
    await store.write(lambda tx: operations.finish(tx, NAME, Job()))
    await handlers.delete(request, CALLER)
    with pytest.raises(NotFound):
        await handlers.delete(request, CALLER)


async def test_wait_returns_when_the_operation_is_done(
    store: SqliteStore, handlers: OperationsHandlers, clock: FakeClock
) -> None:
    await start(store)
    waiting = asyncio.create_task(handlers.wait(WaitOperationRequest(name=NAME), CALLER))
    await clock.wait_for_sleepers(1)
    await store.write(lambda tx: operations.finish(tx, NAME, Job(name="j")))
    assert (await waiting).response == pack(Job(name="j"))
    assert (await handlers.wait(WaitOperationRequest(name=NAME), CALLER)).done


async def test_wait_returns_the_unfinished_operation_when_the_time_is_over(
    store: SqliteStore, handlers: OperationsHandlers, clock: FakeClock
) -> None:
    await start(store)
    request = WaitOperationRequest(name=NAME, timeout=timedelta(hours=9))
    waiting = asyncio.create_task(handlers.wait(request, CALLER))
    await clock.wait_for_sleepers(1)
    await clock.advance(timedelta(minutes=5))
    assert not (await waiting).done
    with pytest.raises(InvalidArgument, match="timeout"):
        await handlers.wait(WaitOperationRequest(name=NAME, timeout=timedelta(seconds=-1)), CALLER)


async def test_operations_are_listed_by_whether_they_are_done(
    store: SqliteStore, handlers: OperationsHandlers
) -> None:
    names = {f"{PARENT}/operations/{end}" for end in ("done", "running")}
    for name in names:
        await start(store, name)
    await store.write(lambda tx: operations.finish(tx, f"{PARENT}/operations/done", Job()))
    for text, wanted in (("done:true", {"done"}), ("done=false", {"running"}), ("", {"done", "running"})):
        listed = await handlers.list(ListOperationsRequest(name=PARENT, filter=text), CALLER)
        assert {one.name.rpartition("/")[2] for one in listed.operations} == wanted
    with pytest.raises(InvalidArgument, match="done:true"):
        await handlers.list(ListOperationsRequest(name=PARENT, filter="name:x"), CALLER)


async def test_old_done_operations_are_dropped_and_running_ones_stay(
    store: SqliteStore, handlers: OperationsHandlers, clock: FakeClock
) -> None:
    await start(store, f"{PARENT}/operations/done")
    await start(store, f"{PARENT}/operations/running")
    await store.write(lambda tx: operations.finish(tx, f"{PARENT}/operations/done", Job()))
    await clock.advance(operations.RETENTION + timedelta(seconds=1))
    await start(store)
    response = await handlers.list(ListOperationsRequest(name=PARENT), CALLER)
    assert [operation.name for operation in response.operations] == [NAME, f"{PARENT}/operations/running"]


def accept(tx: Tx, key: str | None, job: Job, principal: str = "user:local", owner: str = "") -> str:
    """The pattern of every handler: find, work, remember in one transaction."""
    caller = Caller(principal=principal, idempotency_key=key, idempotency_owner=owner)
    named = idempotency.key_of(caller, "run.Jobs.RunJob", "jobs/j", job)
    earlier = idempotency.find(tx, named)
    if earlier is not None:
        return earlier
    row = tx.one("SELECT COUNT(*) FROM idempotency")
    assert row is not None
    answer = f"new-{row[0]}-{key}"
    idempotency.remember(tx, named, answer)
    return answer


async def test_the_same_request_under_the_same_key_gets_the_earlier_answer(store: SqliteStore) -> None:
    first = await store.write(lambda tx: accept(tx, "k", Job(name="a")))
    assert await store.write(lambda tx: accept(tx, "k", Job(name="a"))) == first
    assert await store.write(lambda tx: accept(tx, "l", Job(name="a"))) != first
    assert await store.write(lambda tx: accept(tx, "k", Job(name="a"), "user:other")) != first


async def test_another_request_under_the_same_key_is_aborted_and_the_key_is_named(store: SqliteStore) -> None:
    await store.write(lambda tx: accept(tx, "k-17", Job(name="a")))
    with pytest.raises(Aborted, match="k-17"):
        await store.write(lambda tx: accept(tx, "k-17", Job(name="b")))


async def test_without_a_key_nothing_is_kept(store: SqliteStore) -> None:
    await store.write(lambda tx: accept(tx, None, Job()))
    assert await store.read(lambda tx: tx.one("SELECT COUNT(*) FROM idempotency")) == (0,)


async def test_a_key_is_forgotten_after_its_retention(store: SqliteStore, clock: FakeClock) -> None:
    await store.write(lambda tx: accept(tx, "k", Job(name="a")))
    await clock.advance(idempotency.RETENTION + timedelta(seconds=1))
    await store.write(lambda tx: accept(tx, "k", Job(name="b")))
    await store.write(lambda tx: accept(tx, "l", Job()))
    assert await store.read(lambda tx: tx.one("SELECT COUNT(*) FROM idempotency")) == (2,)


async def test_a_key_with_an_owner_is_remembered_until_its_owner_has_ended_and_a_while_longer(
    store: SqliteStore, clock: FakeClock
) -> None:
    first = await store.write(lambda tx: accept(tx, "k", Job(), owner="execution"))
    for _ in range(3):
        await clock.advance(idempotency.RETENTION * 10)
        await store.write(lambda tx: accept(tx, "unrelated", Job()))
        assert await store.write(lambda tx: accept(tx, "k", Job(), owner="execution")) == first
    await store.write(lambda tx: idempotency.release(tx, "execution"))
    await clock.advance(idempotency.RETENTION - timedelta(seconds=1))
    assert await store.write(lambda tx: accept(tx, "k", Job())) == first
    await clock.advance(timedelta(seconds=2))
    assert await store.write(lambda tx: accept(tx, "k", Job())) != first
