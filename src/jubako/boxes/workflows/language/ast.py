"""The tree of a workflow: routines, steps and their bodies, with positions.

Values that are evaluated at run time stay nodes of the source (`syntax.Node`), with expressions parsed in place.
Source: cloud.google.com/workflows/docs/reference/syntax and the JSON schema in GoogleCloudPlatform/workflows-samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jubako.boxes.workflows.language.expressions import Expr
from jubako.boxes.workflows.language.syntax import Node

if TYPE_CHECKING:
    from jubako.boxes.workflows.language.scopes import Scope


@dataclass(slots=True, eq=False)
class Assign:
    """``assign``: pairs of a target (a chain that starts with a name) and a value, in order."""

    entries: list[tuple[Expr, Node, Node]]
    """Target, the node it was written in, value."""


@dataclass(slots=True, eq=False)
class Call:
    """``call`` of a library function, a subworkflow or a connector."""

    function: str
    at: Node
    args: dict[str, Node]
    result: Node | None


@dataclass(slots=True, eq=False)
class Case:
    """One entry of a ``switch``; its step has the switch's name."""

    condition: Node
    step: "Step"


@dataclass(slots=True, eq=False)
class Switch:
    """``switch``: the first case whose condition is true runs."""

    cases: list[Case]


@dataclass(slots=True, eq=False)
class Block:
    """``steps``: a nested list of steps, without a scope of its own."""

    steps: list["Step"]


@dataclass(slots=True, eq=False)
class For:
    """``for``: exactly one of ``items`` (from ``in``) and ``range`` is set."""

    at: Node
    value: Node
    index: Node | None
    items: Node | None
    range: Node | None
    steps: list["Step"]
    scope: "Scope | None" = None


@dataclass(slots=True, eq=False)
class Branch:
    """One branch of a ``parallel``."""

    name: str
    at: Node
    steps: list["Step"]
    scope: "Scope | None" = None


@dataclass(slots=True, eq=False)
class Parallel:
    """``parallel``: branches, or a loop whose iterations run side by side."""

    branches: list[Branch]
    loop: For | None
    shared: list[Node]
    limit: Node | None


@dataclass(slots=True, eq=False)
class Try:
    """``try`` with ``retry`` and ``except``; ``handler`` is None without ``except``."""

    body: "Step"
    retry: Node | None
    error: Node | None
    handler: list["Step"] | None


@dataclass(slots=True, eq=False)
class Raise:
    """``raise``."""

    value: Node


@dataclass(slots=True, eq=False)
class Return:
    """``return``."""

    value: Node


Body = Assign | Call | Switch | Block | For | Parallel | Try | Raise | Return | None


@dataclass(slots=True, eq=False)
class Step:
    """A named step; ``next`` is the node of the step-level target, None to go on with what follows."""

    name: str
    at: Node
    body: Body = None
    next: Node | None = None


@dataclass(slots=True, eq=False)
class Param:
    """A parameter of a routine; ``default`` is None if the argument is required."""

    name: str
    at: Node
    default: Node | None


@dataclass(slots=True, eq=False)
class Routine:
    """The main workflow or a subworkflow."""

    name: str
    at: Node
    params: list[Param]
    steps: list[Step]
    scope: "Scope | None" = None


@dataclass(slots=True, eq=False)
class Source:
    """Everything in one source text."""

    routines: dict[str, Routine] = field(default_factory=dict)


def own_values(body: Body) -> list[Node]:
    """Return the nodes that a body evaluates in the scope of its step, in order; nested steps not included."""
    match body:
        case Assign(entries=entries):
            found: list[Node | None] = [value for _, _, value in entries]
        case Call(args=args):
            found = list(args.values())
        case Switch(cases=cases):
            found = [case.condition for case in cases]
        case For(items=items, range=bounds):
            found = [items, bounds]
        case Parallel(loop=loop, limit=limit):
            found = [*own_values(loop), limit]
        case Try(retry=retry):
            found = [retry]
        case Raise(value=value) | Return(value=value):
            found = [value]
        case _:
            found = []
    return [node for node in found if node is not None]


def nested(body: Body) -> "list[tuple[list[Step], Scope | None]]":
    """Return the lists of steps inside a body, each with its own scope, or None if it runs in that of the step."""
    match body:
        case Switch(cases=cases):
            parts: list[tuple[list[Step], Scope | None]] = [([case.step], None) for case in cases]
        case Block(steps=steps):
            parts = [(steps, None)]
        case For(steps=steps, scope=scope):
            parts = [(steps, scope)]
        case Parallel(branches=branches, loop=loop):
            parts = [(branch.steps, branch.scope) for branch in branches] + nested(loop)
        case Try(body=inner, handler=handler):
            parts = [([inner], None), (handler or [], None)]
        case _:
            parts = []
    return parts


def every(steps: list[Step]) -> Iterator[Step]:
    """Yield all steps of a list and of what is inside of them, in the order of the text."""
    for step in steps:
        yield step
        for inner, _ in nested(step.body):
            yield from every(inner)
