"""The decision to retry: policy, predicate and the wait before the next try.

Source: cloud.google.com/workflows/docs/reference/syntax/retrying. ``max_retries`` does not count the first try;
the wait before retry n (from 0) is ``initial_delay * multiplier ** n``, at most ``max_delay``.
"""

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import type_error, value_error
from jubako.boxes.workflows.language.library import CONSTANTS, FUNCTIONS, Kind
from jubako.boxes.workflows.language.library.arguments import integer, mapping, number, text
from jubako.boxes.workflows.language.limits import SLEEP_SECONDS_MAX
from jubako.boxes.workflows.language.program import Suspend, Value
from jubako.boxes.workflows.language.state import Frame
from jubako.boxes.workflows.language.values import type_name

PREDICATE_KEY = "predicate"
SLEEP_KEY = "retry"
_FIELDS = frozenset({"predicate", "max_retries", "backoff"})


def retry_decision(policy: Value, routines: frozenset[str]) -> Value:
    """Return the closure that says whether to try again; it asks the predicate, and waits, by suspending."""

    def decide(frame: Frame) -> bool:
        if SLEEP_KEY in frame.memo:
            return True
        rules = mapping(policy(frame), "retry")
        unknown = sorted(rules.keys() - _FIELDS)
        if unknown:
            raise value_error(f"retry has no field {unknown[0]}; known: {', '.join(sorted(_FIELDS))}")
        _, _, done, (error, _) = frame.blocks[-1]
        if done >= integer(rules.get("max_retries", 5), "max_retries"):
            return False
        predicate = rules.get("predicate", "http.default_retry_predicate")
        if not _agrees(frame, text(predicate, "predicate"), error, routines):
            return False
        delay = wait_before(done, rules.get("backoff", CONSTANTS["retry.default_backoff"]))
        if delay > 0:
            raise Suspend(SLEEP_KEY, "sys.sleep", {"seconds": delay})
        return True

    return decide


def _agrees(frame: Frame, predicate: str, error: Data, routines: frozenset[str]) -> bool:
    if predicate in routines:
        if PREDICATE_KEY not in frame.memo:
            raise Suspend(PREDICATE_KEY, predicate, [error])
        answer = frame.memo[PREDICATE_KEY]
    else:
        known = FUNCTIONS.get(predicate)
        if known is None or known.kind is not Kind.PURE or len(known.parameters) != 1 or known.run is None:
            raise value_error(f"retry predicate {predicate[:80]!r} is neither a subworkflow nor a predicate")
        answer = known.run(error)
    if type(answer) is not bool:
        raise type_error(f"retry predicate {predicate} must return a boolean; got: {type_name(answer)}")
    return answer


def wait_before(done: int, backoff: Data) -> float:
    """Return the seconds to wait after ``done`` retries have failed."""
    rules = mapping(backoff, "backoff")
    initial = number(rules.get("initial_delay", 1), "initial_delay")
    longest = number(rules.get("max_delay", 60), "max_delay")
    factor = number(rules.get("multiplier", 1.25), "multiplier")
    if not (0 <= initial <= SLEEP_SECONDS_MAX and 0 <= longest <= SLEEP_SECONDS_MAX and factor >= 0):
        raise value_error("backoff needs delays from 0 to one year and a multiplier that is not negative")
    try:
        return float(min(initial * factor**done, longest))
    except OverflowError:
        return float(longest)
