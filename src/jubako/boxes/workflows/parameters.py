"""``connector_params``: how a connector call waits.

Source: cloud.google.com/workflows/docs/connectors, "Invoke a connector call".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jubako.core.errors import InvalidArgument

TIMEOUT_DEFAULT_S = 1800.0
TIMEOUT_MAX_S = 366 * 86_400.0
DELAY_MIN_S = 0.05
"""Ours: nobody is asked more often."""
_KNOWN = frozenset({"timeout", "polling_policy", "skip_polling", "scopes", "scope"})
_POLLING = frozenset({"initial_delay", "multiplier", "max_delay"})


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a call is told besides its arguments.

    The polling policy is for Kubernetes-shaped methods; of operations this server says when they are done.
    """

    timeout: timedelta
    skip_polling: bool
    initial_delay: float
    """In seconds, as ``max_delay`` is."""
    max_delay: float
    multiplier: float


def parameters_of(args: Mapping[str, Any]) -> Parameters:
    """Return the parameters of a call with ``args``.

    Raises:
        InvalidArgument: They are none.

    """
    given = args.get("connector_params") or {}
    _known(given, "connector_params", _KNOWN)
    policy = given.get("polling_policy") or {}
    _known(policy, "connector_params.polling_policy", _POLLING)
    skip = given.get("skip_polling", False)
    if not isinstance(skip, bool):
        raise InvalidArgument("connector_params.skip_polling must be a boolean.")
    seconds = _number(given, "timeout", TIMEOUT_DEFAULT_S)
    return Parameters(
        timeout=timedelta(seconds=min(seconds, TIMEOUT_MAX_S)),
        skip_polling=skip,
        initial_delay=max(_number(policy, "initial_delay", 1.0), DELAY_MIN_S),
        max_delay=max(_number(policy, "max_delay", 60.0), DELAY_MIN_S),
        multiplier=max(_number(policy, "multiplier", 1.25), 1.0),
    )


def _known(given: Any, name: str, known: frozenset[str]) -> None:
    if not isinstance(given, dict):
        raise InvalidArgument(f"{name} must be a map.")
    if unknown := sorted(given.keys() - known):
        raise InvalidArgument(f"{name} has no {', '.join(unknown)[:100]}; it has {', '.join(sorted(known))}.")


def _number(given: Mapping[str, Any], name: str, default: float) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise InvalidArgument(f"connector_params: {name} must be a number of at least 0.")
    return float(value)
