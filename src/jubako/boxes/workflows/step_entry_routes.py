"""``stepEntries`` of an execution: REST only, as Google has them.

Source: workflowexecutions.googleapis.com v1, discovery document, executions.stepEntries; cloud.google.com/workflows/
docs/debug-steps.
"""

import json
from collections.abc import Mapping, Sequence

from jubako.boxes.workflows.execution_filters import day_or_time
from jubako.boxes.workflows.histories import Histories
from jubako.boxes.workflows.listing import Listed, in_order, parse_filter, parse_order
from jubako.boxes.workflows.step_entries import Entry
from jubako.core.errors import NotFound
from jubako.core.timestamps import format_timestamp, from_micros, to_micros
from jubako.wire.codec import invalid
from jubako.wire.method import Caller, Document, DocumentRequest, DocumentRoute, document_routes
from jubako.wire.paging import cut, page_of

EXECUTION = "/v1/{name=projects/*/locations/*/workflows/*/executions/*}"
PAGE_DEFAULT = 1_000
BASIC_VIEW = frozenset({"EXECUTION_ENTRY_VIEW_BASIC", "1"})


class StepEntryRoutes:
    """Serves them."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories

    def routes(self) -> list[DocumentRoute]:
        """Return the routes."""
        entry = f"{EXECUTION.removesuffix('}')}/stepEntries/*}}"
        return document_routes(
            [
                (
                    "GET",
                    f"{EXECUTION.replace('{name=', '{parent=')}/stepEntries",
                    "workflows.stepEntries.list",
                    self.list,
                ),
                ("GET", entry, "workflows.stepEntries.get", self.get),
            ]
        )

    async def list(self, request: DocumentRequest, caller: Caller) -> Document:  # noqa: ARG002
        """Return a page of the entries of an execution."""
        query, name = request.query, request.variables["parent"]
        wanted = parse_filter(query.get("filter", ""), _FIELDS)
        order = parse_order(query.get("orderBy", ""), _FIELDS)
        page = page_of(_number(query.get("pageSize"), "pageSize") or PAGE_DEFAULT, query.get("pageToken", ""))
        skip = _number(query.get("skip"), "skip") + _number(page.after, "pageToken")
        entries = [entry for entry in await self._entries(name) if wanted.matches(entry)]
        found = in_order(entries, order)[skip : skip + page.size + 1]
        shown, token = cut(found, page, lambda _: str(skip + page.size))
        reply: Document = {
            "stepEntries": [document(name, entry, query.get("view", "")) for entry in shown],
            "totalSize": len(entries),
        }
        return {**reply, "nextPageToken": token} if token else reply

    async def get(self, request: DocumentRequest, caller: Caller) -> Document:  # noqa: ARG002
        """Return one entry."""
        name, _, number = request.variables["name"].partition("/stepEntries/")
        entries = await self._entries(name)
        if not number.isdecimal() or not 0 < int(number) <= len(entries):
            raise NotFound(f"Step entry {request.variables['name']} does not exist.")
        return document(name, entries[int(number) - 1], request.query.get("view", ""))

    async def _entries(self, name: str) -> Sequence[Entry]:
        past = await self._histories.of(name)
        return past.history.steps.entries if past.history is not None else []


def document(execution: str, entry: Entry, view: str) -> Document:
    """Return an entry in Google's shape; zeros are left out as everywhere."""
    told: Document = {
        "name": f"{execution}/stepEntries/{entry.id}",
        "createTime": format_timestamp(from_micros(entry.created)),
        "updateTime": format_timestamp(from_micros(entry.updated)),
        "routine": entry.routine,
        "step": entry.step,
        "stepType": entry.type,
        "state": entry.state,
        "entryId": str(entry.id),
        "navigationInfo": _navigation(entry),
        "stepEntryMetadata": _metadata(entry),
    }
    if entry.payload is not None:
        told["exception"] = {"payload": entry.payload}
    if entry.variables is not None and view not in BASIC_VIEW:
        told["variableData"] = {"variables": json.loads(entry.variables)}
    return told


def _navigation(entry: Entry) -> Document:
    places = {"parent": entry.parent, "previous": entry.previous, "next": entry.next}
    told: Document = {name: str(number) for name, number in places.items() if number}
    if entry.children:
        told["children"] = [str(number) for number in entry.children]
    return told


def _metadata(entry: Entry) -> Document:
    told: Document = {"threadId": entry.thread}
    if entry.progress is not None:
        told["progressType"], told["progressNumber"] = entry.progress[0], str(entry.progress[1])
    if entry.expected is not None:
        told["expectedIteration"] = str(entry.expected)
    return told


def _number(text: str | None, name: str) -> int:
    if text and (not text.isdecimal() or len(text) > 9):
        raise invalid(name, "must be a number of entries.")
    return int(text or "0")


def _whole(value: str, where: str) -> int:
    if not value.isdecimal() or len(value) > 18:
        raise invalid(where, "must be a number.")
    return int(value)


def _micros(value: str, where: str) -> int:
    return to_micros(day_or_time(value, where))


_FIELDS: Mapping[str, Listed[Entry]] = {
    "entryid": Listed(lambda entry: entry.id, _whole),
    "createtime": Listed(lambda entry: entry.created, _micros),
    "updatetime": Listed(lambda entry: entry.updated, _micros),
    "routine": Listed(lambda entry: entry.routine),
    "step": Listed(lambda entry: entry.step),
    "steptype": Listed(lambda entry: entry.type, prefix="STEP_"),
    "parent": Listed(lambda entry: entry.parent, _whole, is_ordered=False),
    "state": Listed(lambda entry: entry.state, prefix="STATE_"),
}
