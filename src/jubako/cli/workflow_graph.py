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
from jubako.cli.terminal import clean, clip
from jubako.cli.workflow_check import problem_lines, read_workflow
from jubako.cli.workflow_timeline_svg import escaped

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
        for line in problem_lines(args.file, refusal.problems):
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


_CELL = (266, 68)
_BOX = (220, 32)
_BOX_CHARS = 29
_LANES = 4
_LABEL_CHARS = 16


def svg(graphs: Sequence[Graph]) -> str:
    """Return the routines' pictures below one another."""
    parts: list[str] = []
    top, right = 0, 1
    for graph in graphs:
        places = {spot.name: (spot.x, spot.y + top + 1) for spot in graph.spots}
        parts.append(_label(graph.name, 10, top * _CELL[1] + 48, "title"))
        lines = _lines(graph.edges, places)
        parts += [line for line, _ in lines]
        parts += [_box(spot, *places[spot.name]) for spot in graph.spots]
        parts += [label for _, label in lines if label]
        top = max(y for _, y in places.values()) + 1
        right = max(right, *(x + 1 for x, _ in places.values()))
    wide, high = right * _CELL[0] + 20, top * _CELL[1] + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">'
    )
    return "\n".join([head, _STYLE, *parts, "</svg>"]) + "\n"


_STYLE = """<style>
svg{background:#fff}text{font:12px system-ui,sans-serif;fill:#1f2933}.title{font-weight:600;font-size:14px}
.small{font-size:10px;fill:#52606d;paint-order:stroke;stroke:#fff;stroke-width:4px}.end-at{text-anchor:end}
rect{fill:#eef3fb;stroke:#4a6fa5}.choice{fill:#fff4d6;stroke:#b98900}.loop{fill:#e8f6e8;stroke:#4c8c4a}
.fork{fill:#f3e8fb;stroke:#8a5fb0}.end{fill:#edf0f2;stroke:#7b8794}
.edge{fill:none;stroke:#7b8794;stroke-width:1.2}.dashed{stroke-dasharray:4 3}.tip{fill:#7b8794}
@media(prefers-color-scheme:dark){svg{background:#161b22}text{fill:#e6edf3}.small{fill:#9fb0c0;stroke:#161b22}
rect{fill:#1c2a3f;stroke:#6f9bd8}.choice{fill:#3a2f12;stroke:#d9a93a}.loop{fill:#17321d;stroke:#6fbf73}
.fork{fill:#2e2140;stroke:#b48ee0}.end{fill:#2b323b;stroke:#9fb0c0}.edge{stroke:#8b98a5}.tip{fill:#8b98a5}}
</style><defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto"><path class="tip" \
d="M0,0 L7,3 L0,6 z"/></marker></defs>"""


def _box(spot: Spot, x: int, y: int) -> str:
    left, top = x * _CELL[0] + 10, y * _CELL[1] + 10
    radius = 16 if spot.shape == "end" else 5
    size = f'width="{_BOX[0]}" height="{_BOX[1]}" rx="{radius}"'
    box = f'<rect class="{spot.shape}" x="{left}" y="{top}" {size}/>'
    shown = _label(clip(spot.label, _BOX_CHARS), left + 8, top + 20)
    return f"<g><title>{escaped(spot.label)}</title>{box}{shown}</g>"


def _label(text: str, x: float, y: float, style: str = "") -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{escaped(text)}</text>'


def _lines(edges: Sequence[Edge], places: Mapping[str, tuple[int, int]]) -> list[tuple[str, str]]:
    """Return each edge's line and label; a line past other boxes keeps to a lane beside them."""
    drawn: list[tuple[str, str]] = []
    ranks: dict[str, int] = {}
    lanes = 0
    for edge in edges:
        (x1, y1), (x2, y2) = places[edge.start], places[edge.end]
        between = {(x2, y) for y in range(y1 + 1, y2)}
        if y2 > y1 and not between & set(places.values()):
            path, at, style = _curve(x1, y1, x2, y2)
        else:
            rank = ranks[edge.start] = ranks.get(edge.start, -1) + 1
            path, at, style = _lane((x1, y1), (x2, y2), lanes % _LANES, rank)
            lanes += 1
        dashed = " dashed" if edge.is_dashed else ""
        line = f'<path class="edge{dashed}" d="{path}" marker-end="url(#tip)"/>'
        drawn.append((line, _label(clip(edge.label, _LABEL_CHARS), *at, style) if edge.label else ""))
    return drawn


def _curve(x1: int, y1: int, x2: int, y2: int) -> tuple[str, tuple[float, float], str]:
    """Return a path from the bottom of one box to the top of another, with the place and style of its label."""
    middle = _BOX[0] // 2 + 10
    start = (x1 * _CELL[0] + middle, y1 * _CELL[1] + 10 + _BOX[1])
    end = (x2 * _CELL[0] + middle, y2 * _CELL[1] + 10)
    bend = (start[1] + end[1]) / 2
    path = f"M{start[0]},{start[1]} C{start[0]},{bend:g} {end[0]},{bend:g} {end[0]},{end[1]}"
    if x1 == x2:  # to the left of it: labels of lanes are on the right
        return path, (start[0] - 5, bend + 3), "small end-at"
    return path, ((start[0] + end[0]) / 2 + 4, bend), "small"


def _lane(
    start: tuple[int, int], end: tuple[int, int], lane: int, rank: int
) -> tuple[str, tuple[float, float], str]:
    """Return a path out of the right side of one box, along a lane, into the right side of another.

    ``rank`` counts such lines of the box, whose labels stand below it, one under the other.
    """
    (x1, y1), (x2, y2) = start, end
    right = _BOX[0] + 10
    side = max(x1, x2) * _CELL[0] + right + 8 + lane * 7
    from_y, to_y = y1 * _CELL[1] + 20 + lane * 3, y2 * _CELL[1] + 20 + lane * 3
    path = f"M{x1 * _CELL[0] + right},{from_y} H{side} V{to_y} H{x2 * _CELL[0] + right + 1}"
    return path, (x1 * _CELL[0] + right, y1 * _CELL[1] + 10 + _BOX[1] + 12 + rank * 11), "small end-at"
