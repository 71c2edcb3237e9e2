"""Requests that carry an ``Idempotency-Key`` happen once, however often they come.

Find, the work, and remember are one transaction, so there is no instant at which the work is done and the key unknown.
Keys are private to a caller, a method and a resource. One that has an owner - the effects of a workflow execution do -
is remembered until its owner has ended, however long that takes, and then for the usual time.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from jubako.core.errors import Aborted
from jubako.core.timestamps import to_micros
from jubako.store.port import Tx
from jubako.wire.codec import encode
from jubako.wire.method import Caller
from jubako.wire.schema import Message

RETENTION = timedelta(days=7)
"""How long a key is remembered (of one with an owner: after its end); the same key after that is a new request."""


@dataclass(frozen=True, slots=True)
class Key:
    """One request as the caller named it."""

    scope: str
    key: str
    fingerprint: str
    owner: str = ""


def key_of(caller: Caller, method: str, resource: str, request: Message) -> Key | None:
    """Return the key of a request; None if the caller gave none.

    Args:
        caller: Whose key it is.
        method: Full method name.
        resource: The name or parent that the request is about.
        request: All that must be the same when the key comes again.

    """
    if caller.idempotency_key is None:
        return None
    fingerprint = hashlib.sha256(encode(request)).hexdigest()
    return Key(
        f"{method} {resource} {caller.principal}",
        caller.idempotency_key,
        fingerprint,
        caller.idempotency_owner,
    )


def find(tx: Tx, key: Key | None) -> str | None:
    """Return the answer (an operation's or resource's name) that this request got before; None if it is new.

    Raises:
        Aborted: The key was used for another request.

    """
    if key is None:
        return None
    row = tx.one(
        "SELECT fingerprint, answer FROM idempotency WHERE scope = ? AND key = ? "
        "AND (create_time >= ? OR owner > '')",
        key.scope,
        key.key,
        to_micros(tx.now - RETENTION),
    )
    if row is None:
        return None
    fingerprint, answer = row
    if fingerprint != key.fingerprint:
        raise Aborted(f"Idempotency-Key {key.key!r} was used before for a different request.")
    return str(answer)


def remember(tx: Tx, key: Key | None, answer: str) -> None:
    """Record what the request is answered with; call it in the transaction that called ``find``."""
    if key is None:
        return
    now = to_micros(tx.now)
    tx.run("DELETE FROM idempotency WHERE create_time < ? AND owner = ''", to_micros(tx.now - RETENTION))
    tx.run(
        "INSERT INTO idempotency (scope, key, fingerprint, answer, create_time, owner) VALUES (?, ?, ?, ?, ?, ?)",
        key.scope,
        key.key,
        key.fingerprint,
        answer,
        now,
        key.owner,
    )


def release(tx: Tx, owner: str) -> None:
    """Have the keys of ``owner``, which has ended, be remembered for the usual time from now on."""
    tx.run("UPDATE idempotency SET owner = '', create_time = ? WHERE owner = ?", to_micros(tx.now), owner)
