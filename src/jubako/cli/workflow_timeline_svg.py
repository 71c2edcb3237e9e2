"""The Gantt chart of an execution as an SVG picture: the critical path in its own colour, time along the top."""

from collections.abc import Iterator, Mapping
from typing import Any

from jubako.cli.context import basename
from jubako.cli.terminal import clip, width
from jubako.cli.workflow_timeline import Chart, short, span, sums

_ROW, _LEFT, _WIDTH, _TOP = 24, 310, 640, 78
_TICKS = 6
_STYLE = """<style>
svg{background:#fff}text{font:12px system-ui,sans-serif;fill:#1f2933}.title{font-weight:600;font-size:15px}
.faint{fill:#7b8794;font-size:11px}.right{text-anchor:end}.grid{stroke:#e4e7eb}.critical{fill:#d9822b}
.step{fill:#8aa9d6}.failed{fill:#c0392b}.sum{font-weight:600}.on-path{font-weight:600}
@media(prefers-color-scheme:dark){svg{background:#161b22}text{fill:#e6edf3}.faint{fill:#8b98a5}.grid{stroke:#2b323b}
.critical{fill:#e39a4f}.step{fill:#4f78b8}.failed{fill:#e05a4a}}
</style>"""


def svg(chart: Chart) -> str:
    """Return the chart of ``:timeline`` as a picture."""
    steps, whole = chart["steps"], max(chart["seconds"], 1e-6)
    # The colour of the bars tells the critical path.
    told = [line for line in sums(chart) if line and not line.startswith("Critical path")]
    below = _TOP + len(steps) * _ROW
    high, wide = below + 22 + 18 * len(told), _LEFT + _WIDTH + 90
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">',
            _STYLE,
            *_head(chart),
            *_grid(whole, below),
            *(part for row, step in enumerate(steps) for part in _bar(step, whole, _TOP + row * _ROW)),
            *(
                _label(clip(line, 150), 10, below + 26 + 18 * number, "sum" if number == 0 else "")
                for number, line in enumerate(told)
            ),
            "</svg>\n",
        ]
    )


def _head(chart: Chart) -> Iterator[str]:
    state = f"{chart['state'].lower()} in {span(chart['seconds'])}"
    yield _label(f"Execution {basename(chart['execution'])}", 10, 24, "title")
    yield _label(state, 10, 44, "faint")
    for left, kind, name in (
        (_LEFT, "critical", "critical path"),
        (_LEFT + 110, "step", "beside it"),
        (_LEFT + 200, "failed", "failed"),
    ):
        yield f'<rect class="{kind}" x="{left}" y="35" width="10" height="10" rx="2"/>'
        yield _label(name, left + 15, 44, "faint")


def _grid(whole: float, below: int) -> Iterator[str]:
    for tick in range(_TICKS + 1):
        x = _LEFT + tick / _TICKS * _WIDTH
        yield f'<path class="grid" d="M{x:.1f},{_TOP - 8} V{below}"/>'
        yield _label(span(whole * tick / _TICKS) if tick else "0", x + 2, _TOP - 10, "faint")


def _bar(step: Mapping[str, Any], whole: float, top: int) -> Iterator[str]:
    left = _LEFT + min(step["offsetSeconds"] / whole, 1) * _WIDTH
    long = max(min(step["seconds"] / whole * _WIDTH, _LEFT + _WIDTH - left), 2)
    kind = "failed" if step["state"] == "FAILED" else "critical" if step["isCritical"] else "step"
    name = short(step["name"])
    yield f"<g><title>{escaped(name)}</title>"
    yield _label(clip(name, 38), 10, top + 16, "on-path" if step["isCritical"] else "")
    yield f'<rect class="{kind}" x="{left:.1f}" y="{top + 4}" width="{long:.1f}" height="{_ROW - 8}" rx="3"/>'
    taken = span(step["seconds"])
    behind = left + long + 5
    is_room = behind + 7 * width(taken) < _LEFT + _WIDTH + 88
    yield _label(taken, behind if is_room else left - 5, top + 16, "faint" if is_room else "faint right")
    yield "</g>"


def _label(text: str, x: float, y: float, style: str = "") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:g}">{escaped(text)}</text>'


def escaped(text: str) -> str:
    """Return text as it stands in a picture."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
