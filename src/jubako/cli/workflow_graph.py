"""``jubako workflows graph FILE``: the steps of a workflow as a picture, in Mermaid's language or as SVG.

1. Every step is a node named by its path; it stands below the one before it, branches stand side by side.
2. An edge is a way that the execution may take; a dashed one leads to an ``except`` block.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from jubako.cli.context import Context
from jubako.cli.errors import FAILED, OK
from jubako.cli.terminal import clean, width
from jubako.cli.workflow_check import problem_lines, read_workflow

if TYPE_CHECKING:
    from jubako.boxes.workflows.language import ast

LABEL_MAX = 40
END = "end"


@dataclass(frozen=True, slots=True)
class Spot:
    """A node; ``x`` and ``y`` count columns and rows."""

    name: str
    label: str
    shape: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one node to another."""

    start: str
    end: str
    label: str = ""
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Exit:
    """Where a step can be left towards the next one."""

    name: str
    label: str = ""


@dataclass(slots=True)
class Graph:
    """One routine's picture."""

    name: str
    spots: list[Spot] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds a step: targets by name, and the loop it is in."""

    path: str
    targets: Mapping[str, str]
    loop: str | None = None


@dataclass(slots=True)
class Placed:
    """A drawn part: its size, and where it is left."""

    exits: list[Exit]
    width: int = 1
    height: int = 1
    breaks: list[Exit] = field(default_factory=list)


def graph_file(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows graph``."""
    from jubako.boxes.workflows.language import SourceRefused, compile_workflow  # noqa: PLC0415
    from jubako.boxes.workflows.language.dependence import read_source  # noqa: PLC0415

    text = read_workflow(args.file)
    try:
        compile_workflow(text)
    except SourceRefused as refusal:
        for line in problem_lines(args.file, refusal.problems, ""):
            context.err.print(line)
        return FAILED
    graphs = draw(read_source(text))
    # --format of this command is not the one of the commands that show documents.
    context.out.stream.write(svg(graphs) if args.picture == "svg" else mermaid(graphs))
    return OK


def draw(source: "ast.Source") -> list[Graph]:
    """Return the picture of each routine."""
    return [_routine(routine) for routine in source.routines.values()]


def _routine(routine: "ast.Routine") -> Graph:
    artist = _Artist(Graph(routine.name))
    placed = artist.steps(routine.steps, Around(routine.name, {}), 0, 0)
    end = f"{routine.name}/{END}"
    if placed.exits or any(edge.end == end for edge in artist.graph.edges):
        artist.spot(end, END, "end", 0, placed.height)
        artist.join(placed.exits, end)
    return artist.graph


class _Artist:
    """Places the steps of one routine."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def spot(self, name: str, label: str, shape: str, x: int, y: int) -> None:
        short = label if len(label) <= LABEL_MAX else label[: LABEL_MAX - 1] + "…"
        self.graph.spots.append(Spot(name, clean(short), shape, x, y))

    def join(self, exits: Sequence[Exit], end: str) -> None:
        self.graph.edges.extend(Edge(one.name, end, one.label) for one in exits)

    def steps(self, steps: "Sequence[ast.Step]", around: Around, x: int, y: int) -> Placed:
        """Draw a list of steps from top to bottom."""
        inside = {step.name: f"{around.path}/{step.name}" for step in steps}
        around = replace(around, targets={**around.targets, **inside})
        whole = Placed([], 1, 0)
        for step in steps:
            self.join(whole.exits, inside[step.name])
            placed = self._step(step, around, x, y + whole.height)
            whole.exits = placed.exits
            whole.height += placed.height
            whole.width = max(whole.width, placed.width)
            whole.breaks += placed.breaks
        return whole

    def _step(self, step: "ast.Step", around: Around, x: int, y: int) -> Placed:
        kind = type(step.body).__name__.lower()
        draw_kind = getattr(self, f"_draw_{kind}", self._draw_plain)
        name = around.targets[step.name]
        placed: Placed = draw_kind(step, name, replace(around, path=name), x, y)
        if kind in {"return", "raise"}:
            placed.exits = []
        if step.next is not None:
            self._jump(step.next.value, placed, around)
        return placed

    def _jump(self, target: str, placed: Placed, around: Around) -> None:
        if target == "break":
            placed.breaks += placed.exits
        elif target == "continue":
            self.join(placed.exits, around.loop or "")
        else:
            place = f"{self.graph.name}/{END}" if target == END else around.targets[target]
            self.join(placed.exits, place)
        placed.exits = []

    def _draw_plain(self, step: "ast.Step", name: str, around: Around, x: int, y: int) -> Placed:
        del around
        body = step.body
        kind = type(body).__name__.lower()
        detail = getattr(body, "function", kind if kind in {"return", "raise", "assign"} else "")
        shape = "end" if kind in {"return", "raise"} else "box"
        self.spot(name, f"{step.name}: {detail}" if detail else step.name, shape, x, y)
        return Placed([Exit(name)])

    def _draw_block(self, step: "ast.Step", name: str, around: Around, x: int, y: int) -> Placed:
        self.spot(name, step.name, "box", x, y)
        return self._below(name, step.body.steps, around, x, y)  # type: ignore[union-attr]

    def _below(self, name: str, steps: "Sequence[ast.Step]", around: Around, x: int, y: int) -> Placed:
        placed = self.steps(steps, around, x, y + 1)
        self.join([Exit(name)], f"{around.path}/{steps[0].name}")
        placed.height += 1
        return placed

    def _draw_switch(self, step: "ast.Step", name: str, around: Around, x: int, y: int) -> Placed:
        self.spot(name, step.name, "choice", x, y)
        whole = Placed([], 0, 1)
        for number, case in enumerate(step.body.cases):  # type: ignore[union-attr]
            label = _text(case.condition.value)
            placed = Placed([Exit(name, label)], 0, 0)
            if case.step.body is not None:
                path = f"{name}/case{number}"
                inner = replace(around, targets={**around.targets, case.step.name: path})
                self.join(placed.exits, path)
                placed = self._step(replace(case.step, next=None), inner, x + whole.width, y + 1)
            if case.step.next is not None:
                self._jump(case.step.next.value, placed, around)
            _beside(whole, placed)
        whole.exits.append(Exit(name, "else"))
        whole.width = max(whole.width, 1)
        return whole

    def _draw_for(self, step: "ast.Step", name: str, around: Around, x: int, y: int) -> Placed:
        body = step.body
        self.spot(name, f"{step.name}: for {body.value.value}", "loop", x, y)  # type: ignore[union-attr]
        inner = replace(around, loop=name)
        placed = self._below(name, body.steps, inner, x, y)  # type: ignore[union-attr]
        self.join([replace(one, label=one.label or "next") for one in placed.exits], name)
        return Placed([Exit(name, "done"), *placed.breaks], placed.width, placed.height)

    def _draw_parallel(self, step: "ast.Step", name: str, around: Around, x: int, y: int) -> Placed:
        self.spot(name, f"{step.name}: parallel", "fork", x, y)
        body = step.body
        whole = Placed([], 0, 1)
        if body.loop is not None:  # type: ignore[union-attr]
            return self._below(name, body.loop.steps, around, x, y)  # type: ignore[union-attr]
        for branch in body.branches:  # type: ignore[union-attr]
            inner = replace(around, path=f"{name}/{branch.name}")
            placed = self.steps(branch.steps, inner, x + whole.width, y + 1)
            self.graph.edges.append(Edge(name, f"{inner.path}/{branch.steps[0].name}", branch.name))
            _beside(whole, placed)
        return whole

    def _draw_try(self, step: "ast.Step", name: str, around: Around, x: int, y: int) -> Placed:
        body = step.body
        again = ": try, retry" if body.retry is not None else ": try"  # type: ignore[union-attr]
        self.spot(name, f"{step.name}{again}", "box", x, y)
        whole = Placed([], 0, 1)
        inner = replace(around, targets={**around.targets, body.body.name: f"{name}/body"})  # type: ignore[union-attr]
        self.join([Exit(name)], f"{name}/body")
        _beside(whole, self._step(body.body, inner, x, y + 1))  # type: ignore[union-attr]
        if body.handler:  # type: ignore[union-attr]
            path = f"{name}/except"
            placed = self.steps(body.handler, replace(around, path=path), x + whole.width, y + 1)  # type: ignore[union-attr]
            self.graph.edges.append(Edge(name, f"{path}/{body.handler[0].name}", "except", is_dashed=True))  # type: ignore[union-attr]
            _beside(whole, placed)
        return whole


def _beside(whole: Placed, placed: Placed) -> None:
    """Add a part to the right of the others."""
    whole.exits += placed.exits
    whole.breaks += placed.breaks
    whole.width += placed.width
    whole.height = max(whole.height, placed.height + 1)


def _text(value: object) -> str:
    text = str(value)
    return text[2:-1].strip() if text.startswith("${") else text


_MERMAID = {"box": "[{}]", "choice": "{{{}}}", "loop": "{{{{{}}}}}", "fork": "[/{}/]", "end": "([{}])"}


def mermaid(graphs: Sequence[Graph]) -> str:
    """Return a flowchart. Source: mermaid.js.org/syntax/flowchart.html."""
    lines = ["flowchart TD"]
    names: dict[str, str] = {}
    for graph in graphs:
        lines.append(f"  subgraph {graph.name}")
        for spot in graph.spots:
            name = names.setdefault(spot.name, f"n{len(names)}")
            lines.append(f"    {name}{_MERMAID[spot.shape].format(_quoted(spot.label))}")
        for edge in graph.edges:
            arrow = "-.->" if edge.is_dashed else "-->"
            label = f"|{_quoted(edge.label)}|" if edge.label else ""
            lines.append(f"    {names[edge.start]} {arrow}{label} {names[edge.end]}")
        lines.append("  end")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # Entities of Mermaid's own: it reads #quot; inside of quotes.
    return (
        '"' + text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;") + '"'
    )


_CELL = (220, 64)
_BOX_HEIGHT = 32


def svg(graphs: Sequence[Graph]) -> str:
    """Return the routines' pictures below one another."""
    parts: list[str] = []
    top, right = 0, 1
    for graph in graphs:
        places = {spot.name: (spot.x, spot.y + top + 1) for spot in graph.spots}
        parts.append(_label(graph.name, 10, top * _CELL[1] + 40, "title"))
        parts += [_line(edge, places) for edge in graph.edges]
        parts += [_box(spot, *places[spot.name]) for spot in graph.spots]
        top = max(y for _, y in places.values()) + 1
        right = max(right, *(x + 1 for x, _ in places.values()))
    wide, high = right * _CELL[0] + 20, top * _CELL[1] + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">'
    )
    return "\n".join([head, _STYLE, *parts, "</svg>"]) + "\n"


_STYLE = (
    "<style>text{font:12px sans-serif;fill:#222}.title{font-weight:bold}.small{font-size:10px;fill:#555}"
    "rect{fill:#eef3fb;stroke:#4a6fa5}.choice{fill:#fff4d6}.loop{fill:#e8f6e8}.fork{fill:#f3e8fb}.end{fill:#eee}"
    "path{fill:none;stroke:#777}.dashed{stroke-dasharray:4 3}</style>"
    '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
    '<path d="M0,0 L7,3 L0,6 z" style="fill:#777"/></marker></defs>'
)


def _box(spot: Spot, x: int, y: int) -> str:
    left, top = x * _CELL[0] + 10, y * _CELL[1] + 10
    radius = 16 if spot.shape == "end" else 4
    size = f'width="{_CELL[0] - 30}" height="{_BOX_HEIGHT}" rx="{radius}"'
    box = f'<rect class="{spot.shape}" x="{left}" y="{top}" {size}/>'
    return box + _label(spot.label, left + 8, top + 20)


def _label(text: str, x: float, y: float, style: str = "") -> str:
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    room = (
        f' textLength="{_CELL[0] - 46}" lengthAdjust="spacingAndGlyphs"'
        if width(text) > 28 and not style
        else ""
    )
    return f'<text class="{style}" x="{x:g}" y="{y:g}"{room}>{shown}</text>'


def _line(edge: Edge, places: Mapping[str, tuple[int, int]]) -> str:
    (x1, y1), (x2, y2) = places[edge.start], places[edge.end]
    middle = (_CELL[0] - 30) // 2 + 10
    start = (x1 * _CELL[0] + middle, y1 * _CELL[1] + 10 + _BOX_HEIGHT)
    end = (x2 * _CELL[0] + middle, y2 * _CELL[1] + 10)
    if y2 > y1:  # down
        bend = (start[1] + end[1]) / 2
        path = f"M{start[0]},{start[1]} C{start[0]},{bend:g} {end[0]},{bend:g} {end[0]},{end[1]}"
    else:  # back up, past the right side of the boxes
        side = max(x1, x2) * _CELL[0] + _CELL[0] - 8
        edge_of = (_CELL[0] - 30) + 10
        y_start, y_end = y1 * _CELL[1] + 26, y2 * _CELL[1] + 26
        path = f"M{x1 * _CELL[0] + edge_of},{y_start} H{side} V{y_end} H{x2 * _CELL[0] + edge_of}"
    dashed = ' class="dashed"' if edge.is_dashed else ""
    label = (
        _label(edge.label, (start[0] + end[0]) / 2 + 4, (start[1] + end[1]) / 2, "small")
        if edge.label
        else ""
    )
    return f'<path{dashed} d="{path}" marker-end="url(#tip)"/>{label}'
