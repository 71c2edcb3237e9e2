"""The table of standard library functions: names, parameters, and how each runs.

Kinds: a *pure* function is computed on the spot; an *input* (`sys.now`, `uuid.generate`, ...) is answered from outside
but may stand in an expression; a *blocking* one may only be called by a step.
Source: cloud.google.com/workflows/docs/reference/stdlib/overview; the list of blocking calls is in
.../docs/reference/syntax/expressions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jubako.boxes.workflows.language.data import Data


class Kind(StrEnum):
    """How a function runs."""

    PURE = "pure"
    INPUT = "input"
    BLOCKING = "blocking"


REQUIRED: Any = object()
"""Default of a parameter that has none."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the standard library.

    Attributes:
        name: Dotted name.
        kind: How it runs.
        parameters: Names in order, each with its default or `REQUIRED`.
        run: The work of a pure function, called with all arguments in order; it raises Raised.
        goes_deep: Whether it goes through all that is in its arguments, not only through the outermost list or map.

    """

    name: str
    kind: Kind
    parameters: dict[str, Any]
    run: Callable[..., Any] | None = None
    goes_deep: bool = False

    def misfit(self, positional: int, named: Iterable[str]) -> str:
        """Return what is wrong with a call of this shape, or "" if it fits."""
        if positional > len(self.parameters):
            return f"{self.name} takes at most {len(self.parameters)} arguments, {positional} given"
        given = set(list(self.parameters)[:positional]) | set(named)
        unknown = sorted(set(named) - self.parameters.keys())
        missing = [
            name for name, default in self.parameters.items() if default is REQUIRED and name not in given
        ]
        if unknown:
            return f"{self.name} has no argument {', '.join(unknown)}"
        return f"{self.name} needs argument {', '.join(missing)}" if missing else ""


FUNCTIONS: dict[str, Function] = {}
CONSTANTS: dict[str, Any] = {}

_Work = Callable[..., Any]


def declare(
    name: str,
    kind: Kind,
    *parameters: str | tuple[str, Any],
    run: _Work | None = None,
    goes_deep: bool = False,
) -> None:
    """Put a function into the table; a parameter is a name, or (name, default)."""
    known = {item if isinstance(item, str) else item[0]: _default(item) for item in parameters}
    FUNCTIONS[name] = Function(name, kind, known, run, goes_deep)


def pure(name: str, *parameters: str | tuple[str, Any], goes_deep: bool = False) -> Callable[[_Work], _Work]:
    """Declare the decorated work as a pure function."""

    def put(run: _Work) -> _Work:
        declare(name, Kind.PURE, *parameters, run=run, goes_deep=goes_deep)
        return run

    return put


def _default(parameter: str | tuple[str, Any]) -> Data:
    return REQUIRED if isinstance(parameter, str) else parameter[1]
