"""The ready retry policies and predicates.

Source: cloud.google.com/workflows/docs/reference/stdlib/http and .../retry; the codes as two independent ports
give them.
"""

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.library.registry import CONSTANTS, pure

_IDEMPOTENT_CODES = (429, 502, 503, 504)
_IDEMPOTENT_TAGS = ("ConnectionError", "ConnectionFailedError", "TimeoutError")
_CAREFUL_CODES = (429, 503)
_CAREFUL_TAGS = ("ConnectionFailedError",)
_BACKOFF = {"initial_delay": 1, "max_delay": 60, "multiplier": 1.25}


def _matches(error: Data, codes: tuple[int, ...], tags: tuple[str, ...]) -> bool:
    if type(error) is not dict:
        return False
    held = error.get("tags")
    return error.get("code") in codes or (type(held) is list and any(tag in held for tag in tags))


@pure("http.default_retry_predicate", "e")
def default_retry_predicate(error: Data) -> bool:
    """Return whether an error may pass for a call that is safe to repeat."""
    return _matches(error, _IDEMPOTENT_CODES, _IDEMPOTENT_TAGS)


@pure("http.default_retry_predicate_non_idempotent", "e")
def default_retry_predicate_non_idempotent(error: Data) -> bool:
    """Return whether an error says that the call was not carried out."""
    return _matches(error, _CAREFUL_CODES, _CAREFUL_TAGS)


@pure("retry.always", "e")
def always(_error: Data) -> bool:
    """Return true."""
    return True


@pure("retry.never", "e")
def never(_error: Data) -> bool:
    """Return false."""
    return False


CONSTANTS["retry.default_backoff"] = _BACKOFF
CONSTANTS["http.default_retry"] = {
    "predicate": "http.default_retry_predicate",
    "max_retries": 5,
    "backoff": _BACKOFF,
}
CONSTANTS["http.default_retry_non_idempotent"] = {
    "predicate": "http.default_retry_predicate_non_idempotent",
    "max_retries": 5,
    "backoff": _BACKOFF,
}
for _name in (
    "http.default_retry_predicate",
    "http.default_retry_predicate_non_idempotent",
    "retry.always",
    "retry.never",
):
    CONSTANTS[_name] = _name
