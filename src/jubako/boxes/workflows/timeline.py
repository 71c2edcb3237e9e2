"""A Gantt chart in numbers: what took how long, what held up the end, what parallelism saved and could save.

``lowerBoundSeconds`` is the longest chain of main's steps that need one another by their variables; ``independent`` are
pairs of steps that do not, and yet ran one after another. What steps do to each other outside of the workflow is
not seen: whether such a pair may run in parallel is for people to say.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jubako.boxes.workflows.history import History, Span, critical_path
from jubako.boxes.workflows.language import ast, dependence
from jubako.core.timestamps import format_timestamp, from_micros, to_micros

MICROS = 1_000_000
_END_OF_NAME = re.compile(r"[/#~\[(]")
_NOTABLE_SECONDS = 0.01
INDEPENDENT_MAX = 10
MAIN = "main"


def timeline(source: ast.Source, history: History | None, begin: datetime, end: datetime) -> dict[str, Any]:
    """Return the chart of an execution that ran from ``begin`` to ``end`` (now, while it runs)."""
    origin, until = to_micros(begin), to_micros(end)
    spans = [span for span in history.spans if not span.is_instant] if history is not None else []
    path = critical_path(history) if history is not None else []
    critical = {id(span) for span in path}
    steps = [_step(span, (origin, until), is_critical=id(span) in critical) for span in spans]
    wall = (end - begin).total_seconds()
    serial = wall + sum(step["seconds"] for step in steps) - _covered([_interval(s, until) for s in spans])
    main = source.routines[MAIN].steps
    lengths = _lengths(main, spans, until)
    required = dependence.needs(main)
    return {
        "startTime": format_timestamp(begin),
        "endTime": format_timestamp(end),
        "seconds": round(wall, 6),
        "oneAfterAnotherSeconds": round(serial, 6),
        "savedSeconds": round(max(serial - wall, 0.0), 6),
        "lowerBoundSeconds": round(_longest(lengths, required), 6),
        "criticalPath": [span.name for span in path],
        "independent": _independent(lengths, required),
        "steps": steps,
    }


def _step(span: Span, limits: tuple[int, int], *, is_critical: bool) -> dict[str, Any]:
    origin, until = limits
    begin, end = _interval(span, until)
    state = "IN_PROGRESS" if span.end is None else "FAILED" if span.has_failed else "SUCCEEDED"
    return {
        "name": span.name,
        "step": span.step,
        "routine": span.routine,
        "function": span.function,
        "state": state,
        "beginTime": format_timestamp(from_micros(begin)),
        "offsetSeconds": round((begin - origin) / MICROS, 6),
        "seconds": round((end - begin) / MICROS, 6),
        "isCritical": is_critical,
    }


def _interval(span: Span, until: int) -> tuple[int, int]:
    return span.begin, max(span.begin, span.end if span.end is not None else until)


def _covered(intervals: Sequence[tuple[int, int]]) -> float:
    """Return the seconds in which at least one of the intervals lies."""
    covered, reached = 0, 0
    for begin, end in sorted(intervals):
        covered += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return covered / MICROS


def _lengths(steps: Sequence[ast.Step], spans: Sequence[Span], until: int) -> Mapping[str, float]:
    """Return the seconds of each step of main, all that is inside of it included."""
    inside: dict[str, list[tuple[int, int]]] = {step.name: [] for step in steps}
    for span in spans:
        step = _END_OF_NAME.split(span.name.removeprefix(f"{MAIN}/"), maxsplit=1)[0]
        if step in inside:
            inside[step].append(_interval(span, until))
    return {name: _covered(intervals) for name, intervals in inside.items()}


def _longest(lengths: Mapping[str, float], required: Mapping[str, frozenset[str]]) -> float:
    ends: dict[str, float] = {}
    for name, needed in required.items():
        ends[name] = lengths[name] + max((ends[other] for other in needed), default=0.0)
    return max(ends.values(), default=0.0)


def _independent(lengths: Mapping[str, float], required: Mapping[str, frozenset[str]]) -> list[list[str]]:
    slow = [name for name in required if lengths[name] >= _NOTABLE_SECONDS]
    pairs = [
        [one, other] for place, other in enumerate(slow) for one in slow[:place] if one not in required[other]
    ]
    return pairs[:INDEPENDENT_MAX]
