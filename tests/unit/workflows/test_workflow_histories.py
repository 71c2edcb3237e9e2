"""Histories of stored executions: step entries over the API, and what the methods beside them do."""

import json
from typing import Any

import pytest

from jubako.boxes.workflows import histories as histories_module
from jubako.boxes.workflows.execution_documents import ExecutionDocuments
from jubako.boxes.workflows.histories import Histories
from jubako.boxes.workflows.history import History
from jubako.boxes.workflows.resources import (
    CancelExecutionRequest,
    CreateExecutionRequest,
    Execution,
    ExecutionHistoryLevel,
)
from jubako.boxes.workflows.step_entry_routes import StepEntryRoutes
from jubako.boxes.workflows.step_tree import newest
from jubako.core.errors import FailedPrecondition, InvalidArgument, NotFound
from jubako.identity.access import LOCAL
from jubako.testing.clock import FakeClock
from jubako.wire.method import DocumentRequest

PARENT = "projects/p/locations/l/workflows/w"
LOOP = """
main:
  params: [n]
  steps:
    - loop: {for: {value: v, range: [1, "${n}"], steps: [{look: {call: sys.get_env, args: {name: X}}}]}}
    - done: {raise: "over"}
"""
NAP = "[{nap: {call: sys.sleep, args: {seconds: 100}}}, {done: {return: 1}}]"


def asked(name: str, **query: str) -> DocumentRequest:
    return DocumentRequest(variables={"name": name, "parent": name}, query=query, body={}, location=None)


@pytest.fixture
async def looped(house: Any) -> Any:
    """An execution of three iterations that failed."""
    await house.deploy(LOOP)
    house.execution = await house.begin(3)
    await house.until_final(house.execution)
    house.routes = StepEntryRoutes(Histories(house.store))
    return house


async def test_entries_come_in_pages_in_the_order_of_their_ids(looped: Any) -> None:
    entries: list[Any] = []
    token = ""
    while True:
        reply = await looped.routes.list(asked(looped.execution.name, pageSize="3", pageToken=token), LOCAL)
        entries += reply["stepEntries"]
        assert reply["totalSize"] == 8
        token = reply.get("nextPageToken", "")
        if not token:
            break
    assert [entry["entryId"] for entry in entries] == list("12345678")
    assert entries[0]["navigationInfo"] == {"next": "8", "children": ["2", "4", "6"]}
    assert entries[1]["stepEntryMetadata"] == {
        "threadId": "main",
        "progressType": "PROGRESS_TYPE_FOR",
        "progressNumber": "1",
    }
    assert entries[7]["exception"] == {"payload": '"over"'}
    assert entries[7]["stepType"] == "STEP_RAISE"
    assert entries[7]["name"] == f"{looped.execution.name}/stepEntries/8"


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"filter": "state=FAILED"}, "8"),
        ({"filter": 'state="STATE_FAILED"'}, "8"),
        ({"filter": "step=look AND entryId>3"}, "57"),
        ({"filter": "parent=1", "orderBy": "entryId desc"}, "642"),
        ({"filter": "stepType=FOR_ITERATION", "skip": "1"}, "46"),
        ({"filter": 'createTime>"2030-01-01"'}, ""),
        ({"filter": "routine=main AND NOT step=loop"}, "3578"),
    ],
)
async def test_entries_are_filtered_ordered_and_skipped(looped: Any, query: dict[str, str], ids: str) -> None:
    reply = await looped.routes.list(asked(looped.execution.name, **query), LOCAL)
    assert "".join(entry["entryId"] for entry in reply["stepEntries"]) == ids


@pytest.mark.parametrize(
    "query",
    [
        {"filter": "colour=red"},
        {"orderBy": "parent"},
        {"pageSize": "-1"},
        {"skip": "x"},
        {"pageToken": "eHg="},
    ],
)
async def test_what_is_not_understood_is_refused(looped: Any, query: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        await looped.routes.list(asked(looped.execution.name, **query), LOCAL)


async def test_one_entry_is_found_by_its_name(looped: Any) -> None:
    entry = await looped.routes.get(asked(f"{looped.execution.name}/stepEntries/8"), LOCAL)
    assert entry["step"] == "done"
    for wrong in ("9", "0", "x"):
        with pytest.raises(NotFound):
            await looped.routes.get(asked(f"{looped.execution.name}/stepEntries/{wrong}"), LOCAL)
    with pytest.raises(NotFound):
        await looped.routes.list(asked(f"{PARENT}/executions/none"), LOCAL)


async def test_variables_are_told_where_the_history_is_detailed(house: Any) -> None:
    await house.deploy(LOOP)
    given = Execution(argument="2", execution_history_level=ExecutionHistoryLevel.EXECUTION_HISTORY_DETAILED)
    begun = await house.executions.create(CreateExecutionRequest(parent=PARENT, execution=given), LOCAL)
    await house.until_final(begun)
    routes = StepEntryRoutes(Histories(house.store))
    entry = await routes.get(asked(f"{begun.name}/stepEntries/3"), LOCAL)
    assert entry["variableData"] == {"variables": {"n": 2, "v": 1}}
    basic = await routes.get(asked(f"{begun.name}/stepEntries/3", view="EXECUTION_ENTRY_VIEW_BASIC"), LOCAL)
    assert "variableData" not in basic


class CountedHistory(History):
    """Counts what is fed to all of them."""

    total = 0

    def feed(self, at: int, outcome: Any) -> None:
        CountedHistory.total += 1
        super().feed(at, outcome)


async def test_looking_often_reads_each_outcome_once(looped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories_module, "History", CountedHistory)
    monkeypatch.setattr(CountedHistory, "total", 0)
    histories = Histories(looped.store)
    for _ in range(50):
        await histories.of(looped.execution.name)
    assert CountedHistory.total == 3


async def test_old_histories_are_forgotten_and_found_again(house: Any) -> None:
    await house.deploy(LOOP)
    begun = [await house.begin(5) for _ in range(4)]
    for one in begun:
        await house.until_final(one)
    small = Histories(house.store, entries_max=20)
    first = await small.of(begun[0].name)
    for one in begun[1:]:
        await small.of(one.name)
    again = await small.of(begun[0].name)
    assert again.history is not first.history
    assert again.history is not None
    assert len(again.history.steps.entries) == 12


async def test_a_cancelled_execution_has_cancelled_steps(house: Any) -> None:
    await house.deploy(NAP)
    begun = await house.begin()
    histories = Histories(house.store)
    await histories.of(begun.name)
    await house.executions.cancel(CancelExecutionRequest(name=begun.name), LOCAL)
    history = (await histories.of(begun.name)).history
    assert history is not None
    assert [entry.state for entry in history.steps.entries] == ["STATE_CANCELLED"]


async def test_what_is_under_way_is_in_the_tree_however_old_it_is(
    house: Any,
) -> None:
    await house.deploy("""
main:
  steps:
    - outer:
        parallel:
          branches:
            - slow: {steps: [{nap: {call: sys.sleep, args: {seconds: 100}}}]}
            - quick: {steps: [{loop: {for: {value: v, range: [1, 50], steps: [{a: {assign: [{x: 1}]}}]}}}]}
""")
    begun = await house.begin()
    clock: FakeClock = house.clock
    history = (await Histories(house.store).of(begun.name)).history
    rows = newest(history, 4, clock.now())
    assert [row["step"] for row in rows][:4] == ["outer", "slow", "nap", "quick"]
    assert [row["depth"] for row in rows][:4] == [0, 1, 2, 1]
    assert len(rows) < 12


async def test_a_history_is_deleted_once_its_execution_has_ended(house: Any) -> None:
    await house.deploy(NAP)
    begun = await house.begin()
    documents = ExecutionDocuments(house.store, house.executions)
    with pytest.raises(FailedPrecondition):
        await documents.delete_history(asked(begun.name), LOCAL)
    await house.executions.cancel(CancelExecutionRequest(name=begun.name), LOCAL)
    histories = Histories(house.store)
    assert (await StepEntryRoutes(histories).list(asked(begun.name), LOCAL))["totalSize"] == 1
    for _ in range(2):
        assert await documents.delete_history(asked(begun.name), LOCAL) == {}
    assert (await StepEntryRoutes(histories).list(asked(begun.name), LOCAL))["totalSize"] == 0
    assert (await house.get(begun)).state is Execution.State.CANCELLED


async def test_the_journal_can_be_exported(looped: Any) -> None:
    documents = ExecutionDocuments(looped.store, looped.executions)
    told = json.loads((await documents.export_data(asked(looped.execution.name), LOCAL))["data"])
    assert told["execution"]["name"] == looped.execution.name
    assert [one["outcome"]["name"] for one in told["journal"]] == [f"main/loop/look#{n}" for n in range(3)]
    assert told["sourceContents"] == LOOP


def pushed(message: dict[str, Any], mode: str = "") -> DocumentRequest:
    body = {"message": message, "subscription": "projects/p/subscriptions/s", "GCPCloudEventsMode": mode}
    return DocumentRequest(variables={"workflow": PARENT}, query={}, body=body, location=None)


async def test_a_pushed_message_starts_one_execution_however_often_it_comes(house: Any) -> None:
    await house.deploy("main: {params: [event], steps: [{a: {return: '${event}'}}]}")
    documents = ExecutionDocuments(house.store, house.executions)
    message = {"data": "aGk=", "messageId": "7", "publishTime": "2026-01-01T00:00:00Z"}
    first = await documents.trigger(pushed(message, "CUSTOM_PUBSUB_projects/p/topics/t"), LOCAL)
    again = await documents.trigger(pushed(message, "CUSTOM_PUBSUB_projects/p/topics/t"), LOCAL)
    assert first["name"] == again["name"]
    event = json.loads(first["argument"])
    assert event["data"]["message"] == message
    assert event["source"] == "//pubsub.googleapis.com/projects/p/topics/t"
    assert event["type"] == "google.cloud.pubsub.topic.v1.messagePublished"


async def test_a_message_that_carries_an_event_gives_the_event(house: Any) -> None:
    await house.deploy("main: {params: [event], steps: [{a: {return: '${event}'}}]}")
    documents = ExecutionDocuments(house.store, house.executions)
    attributes = {"ce-type": "t", "ce-id": "1", "Content-Type": "application/json"}
    begun = await documents.trigger(
        pushed({"data": "eyJhIjoxfQ==", "attributes": attributes}, "CE_PUBSUB_BINDING"), LOCAL
    )
    assert json.loads(begun["argument"]) == {
        "type": "t",
        "id": "1",
        "datacontenttype": "application/json",
        "data": {"a": 1},
    }


@pytest.mark.parametrize(
    "request_",
    [
        pushed({"attributes": {}}, "CE_PUBSUB_BINDING"),
        pushed({"data": "!", "attributes": {"ce-type": "t"}}, "CE_PUBSUB_BINDING"),
    ],
)
async def test_a_message_without_an_event_is_refused(house: Any, request_: DocumentRequest) -> None:
    with pytest.raises(InvalidArgument):
        await ExecutionDocuments(house.store, house.executions).trigger(request_, LOCAL)
