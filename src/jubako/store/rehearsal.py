"""A transaction that may be only a rehearsal, as ``validateOnly`` asks: the real one, taken back at its end."""

from collections.abc import Callable
from typing import TypeVar

from jubako.store.port import Store, Tx

T = TypeVar("T")


class _Rehearsed(Exception):
    """Takes a transaction back and hands its result on."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


async def write(store: Store, fn: Callable[[Tx], T], *, is_rehearsal: bool) -> T:
    """Run ``fn`` in a transaction; a rehearsal is taken back and only its result or error remains."""
    if not is_rehearsal:
        return await store.write(fn)

    def rehearse(tx: Tx) -> None:
        raise _Rehearsed(fn(tx))

    try:
        await store.write(rehearse)
    except _Rehearsed as rehearsed:
        result: T = rehearsed.result  # type: ignore[assignment] # what fn returned
        return result
    raise AssertionError("a rehearsal always raises")
