"""Which limits an execution came near to, told by the commands that show it."""

from collections.abc import Iterator

from jubako.cli.client import Client
from jubako.cli.errors import ApiError
from jubako.cli.terminal import clean

_NAMES = {
    "steps": "steps",
    "memory_bytes": "bytes of variables",
    "call_depth": "levels of calls",
    "concurrency": "branches at once",
    "argument_bytes": "bytes of argument",
    "result_bytes": "bytes of result",
}


def near_limits(client: Client, execution: str) -> Iterator[str]:
    """Yield a sentence for each limit of which the execution (its full name) has used 80 % or more."""
    try:
        told = client.get(f"/jubako/v1/{execution}:limits")
    except ApiError:  # a server that does not know the question, or an execution that is gone
        return
    for one in told["near"]:
        share = f"{100 * one['used'] // one['most']} %"
        what = _NAMES.get(one["limit"], one["limit"])
        where = f" at {one['step']}" if one["step"] else ""
        yield clean(f"{one['used']:,} of at most {one['most']:,} {what} ({share}){where}")
