"""Quantities as Kubernetes writes them (``500m``, ``512Mi``), and what containers ask for in them.

Source: Kubernetes, "Resource quantities", as Cloud Run takes them.
"""

import re
from collections.abc import Mapping

from jubako.core.errors import InvalidArgument
from jubako.wire.codec import invalid
from jubako.wire.run_checks import cannot
from jubako.wire.run_types import Container

LIMITS_KNOWN = frozenset({"cpu", "memory"})
_SUFFIXES = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SUFFIXES |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(m|[kMGT]|[KMGT]i)?\Z", re.ASCII)


def quantity(text: str) -> float:
    """Return the number that a quantity such as ``500m`` or ``512Mi`` says.

    Raises:
        InvalidArgument: ``text`` is no such quantity, or is 0.

    """
    match = _QUANTITY.match(text)
    if match is None or not float(match[1]):
        raise InvalidArgument(f"{text[:100]!r} is not a quantity such as 500m, 2 or 512Mi.")
    return float(match[1]) * _SUFFIXES[match[2] or ""]


def check_limits(field: str, given: Mapping[str, str]) -> None:
    """Check the limits of a container.

    Raises:
        InvalidArgument: One is no quantity.
        Unimplemented: One cannot be honoured.

    """
    for name, value in given.items():
        if name not in LIMITS_KNOWN:
            raise cannot(f"{field}[{name!r}]")
        try:
            quantity(value)
        except InvalidArgument as error:
            raise invalid(f"{field}[{name!r}]", error.message) from None


def memory_of(container: Container) -> int | None:
    """Return the bytes of memory that a checked container asks for, and may use at most; None if it does not say."""
    limits = container.resources.limits if container.resources else {}
    return int(quantity(limits["memory"])) if "memory" in limits else None


def cpus_of(container: Container) -> float | None:
    """Return the processors that a checked container asks for, and may use at most; None if it does not say."""
    limits = container.resources.limits if container.resources else {}
    return quantity(limits["cpu"]) if "cpu" in limits else None


def in_gib(size: int) -> str:
    """Return a number of bytes for people, such as ``21.2 GiB``."""
    return f"{size / 2**30:.1f} GiB"
