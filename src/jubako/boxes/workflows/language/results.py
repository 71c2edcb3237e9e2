"""What comes out of an execution and of its branches: the result, the errors that a parallel step keeps, and theirs."""

from typing import Any

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import Raised, TooLarge, describe, error_map, failure, type_error
from jubako.boxes.workflows.language.limits import BRANCH_ERRORS_MAX, RESULT_BYTES_MAX
from jubako.boxes.workflows.language.state import Frame, State
from jubako.boxes.workflows.language.values import admitted, measured, size_of


def result_of(state: State, frame: Frame, value: Data) -> Data:
    """Return a copy of what main returned; raise an error if it cannot be the result of an execution."""
    try:
        result, size, work = measured(value, RESULT_BYTES_MAX)
    except TooLarge:
        told = f"the result is larger than {RESULT_BYTES_MAX} bytes"
        raise failure("ResultSizeLimitExceededError", told) from None
    state.come_near("result_bytes", size, RESULT_BYTES_MAX, frame)
    if _holds_bytes(result):
        raise type_error("bytes cannot be returned from the main workflow; encode them first")
    state.spend(work)
    return result


def _holds_bytes(value: Data) -> bool:
    if type(value) is list:
        return any(map(_holds_bytes, value))
    if type(value) is dict:
        return any(map(_holds_bytes, value.values()))
    return type(value) is bytes


def keep_error(state: State, block: list[Any], error: list[Any]) -> None:
    """Keep the error of a branch, ``[name, value, trace]``, in the block of its parallel step, as far as there is room.

    One more than may be told is kept, to show that there were more.
    """
    errors = block[7]
    if len(errors) > BRANCH_ERRORS_MAX:
        return
    try:
        size = size_of(error[1])
        state.hold(size)
    except Raised:
        size, error[1] = 0, error_map("MemoryLimitExceededError", "no room is left for this error")
    block[9:] = [sum(block[9:], size)]
    errors.append(error)


def branch_error(errors: list[list[Any]]) -> Raised:
    """Return the error of a parallel step whose branches failed."""
    told = [
        {"id": name, "error": {"context": describe(value, trace)["context"], "payload": value}}
        for name, value, trace in errors[:BRANCH_ERRORS_MAX]
    ]
    message = "One or more branches or iterations encountered an unhandled runtime error"
    is_truncated = len(errors) > BRANCH_ERRORS_MAX
    return failure("UnhandledBranchError", message, branches=told, truncated=is_truncated)


def raisable(error: Data) -> Data:
    """Return an error from outside as one that `except` can receive."""
    try:
        value = admitted(error)
    except Raised as raised:
        value = raised.value
    return value if type(value) in (str, dict) else {"message": str(value), "tags": ["SystemError"]}
