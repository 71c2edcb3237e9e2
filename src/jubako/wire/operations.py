"""Durable long-running operations: transaction functions that boxes call beside their own changes.

1. An operation is started in the transaction that accepts the request, and finished in the one that ends the work.
2. A done operation never changes. Starting, finishing or failing again is harmless.
3. While it is not done, its metadata is asked from the box (a Describer), so progress need not touch this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from jubako.core import json_text
from jubako.core.errors import FailedPrecondition, JubakoError, NotFound
from jubako.core.timestamps import to_micros
from jubako.store.port import Row, Tx
from jubako.wire.codec import pack
from jubako.wire.errors import CODE_NUMBER
from jubako.wire.google_types import Operation, Status
from jubako.wire.paging import Page
from jubako.wire.schema import Message

RETENTION = timedelta(days=30)
"""How long a done operation can be read."""

TOPICS = "operation:"
"""Prefix of the topics of all operations."""

Describer = Callable[[Tx, str], Message | None]
"""``describer(tx, target)`` returns the present metadata of an operation on ``target``, None if that is gone."""
Describers = Mapping[str, Describer]
"""By target kind."""

_BY_NAME = (
    "SELECT name, target_kind, target, metadata, done, response, error_code, error_message "
    "FROM operations WHERE name = ? AND api = COALESCE(?, api)"
)
_BY_PARENT = (
    "SELECT name, target_kind, target, metadata, done, response, error_code, error_message "
    "FROM operations WHERE api = ? AND parent = ? AND name > ? AND done = COALESCE(?, done) ORDER BY name LIMIT ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What is known of an operation when its request is accepted."""

    name: str
    """``projects/P/locations/L/operations/ID``."""
    api: str
    """The API that serves it, such as ``run``."""
    metadata: Message
    target_kind: str = ""
    """Chooses the Describer; "" = ``metadata`` stays as it is."""
    target: str = ""
    """The resource that the work is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which operations are listed."""

    api: str
    parent: str
    done: bool | None
    """Only those that are done, or are not. None: all."""


def topic(name: str) -> str:
    """Return the store topic that is woken when the operation is done."""
    return TOPICS + name


def start(tx: Tx, operation: Start) -> Operation:
    """Record an operation and return it as the client sees it; one of the same name stays as it was."""
    _prune(tx)
    metadata = pack(operation.metadata)
    is_new = tx.run(
        "INSERT INTO operations (name, api, parent, target_kind, target, metadata, done, update_time) "
        "VALUES (?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (name) DO NOTHING",
        operation.name,
        operation.api,
        operation.name.rpartition("/operations/")[0],
        operation.target_kind,
        operation.target,
        _text(metadata),
        to_micros(tx.now),
    )
    return Operation(name=operation.name, metadata=metadata) if is_new else get(tx, operation.name, {})


def finish(tx: Tx, name: str, response: Message, metadata: Message | None = None) -> bool:
    """End an operation with its result and, if given, last metadata; return False if it was done or gone."""
    packed = _text(pack(response))
    said = packed if metadata is response else _described(metadata)
    return _end(tx, name, said, response=packed, code=None, message=None)


def fail(tx: Tx, name: str, error: JubakoError, metadata: Message | None = None) -> bool:
    """End an operation with an error and, if given, last metadata; return False if it was done or gone."""
    code = CODE_NUMBER[error.code]
    return _end(tx, name, _described(metadata), response=None, code=code, message=error.message)


def get(tx: Tx, name: str, describers: Describers, api: str | None = None) -> Operation:
    """Return an operation; with ``api`` only one of that API counts.

    Raises:
        NotFound: There is none of this name, or it was done long ago.

    """
    row = tx.one(_BY_NAME, name, api)
    if row is None:
        raise NotFound(f"Operation {name} does not exist.")
    return _read(tx, row, describers)


def find(tx: Tx, part: Part, page: Page, describers: Describers) -> list[Operation]:
    """Return one page of operations, by name; one more than asked if there are more."""
    rows = tx.all(_BY_PARENT, part.api, part.parent, page.after, part.done, page.size + 1)
    return [_read(tx, row, describers) for row in rows]


def delete(tx: Tx, name: str) -> None:
    """Forget a done operation.

    Raises:
        NotFound: There is none.
        FailedPrecondition: It is not done: the work that will end it still needs the row.

    """
    if not get(tx, name, {}).done:
        raise FailedPrecondition(f"Operation {name} is not done; it can be deleted when it is.")
    tx.run("DELETE FROM operations WHERE name = ?", name)


def _end(
    tx: Tx,
    name: str,
    metadata: str | None,
    *,
    response: str | None,
    code: int | None,
    message: str | None,
) -> bool:
    changed = tx.run(
        "UPDATE operations SET done = 1, response = ?, error_code = ?, error_message = ?, "
        "metadata = COALESCE(?, metadata), update_time = ? WHERE name = ? AND done = 0",
        response,
        code,
        message,
        metadata,
        to_micros(tx.now),
        name,
    )
    if changed:
        tx.wake(topic(name))
    return bool(changed)


def _read(tx: Tx, row: Row, describers: Describers) -> Operation:
    name, kind, target, metadata, done, response, code, message = row
    operation = Operation(name=name, done=bool(done), metadata=json_text.decode(metadata))
    if not done and kind in describers:
        fresh = describers[kind](tx, target)
        if fresh is not None:
            operation.metadata = pack(fresh)
    if response is not None:
        operation.response = json_text.decode(response)
    if code is not None:
        operation.error = Status(code=code, message=message)
    return operation


def _described(metadata: Message | None) -> str | None:
    return None if metadata is None else _text(pack(metadata))


def _text(packed: Mapping[str, Any]) -> str:
    return msgspec.json.encode(packed).decode()


def _prune(tx: Tx) -> None:
    tx.run("DELETE FROM operations WHERE done = 1 AND update_time < ?", to_micros(tx.now - RETENTION))
