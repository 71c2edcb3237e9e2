"""``jubako workflows timeline EXECUTION``: the steps as a Gantt chart, as text or SVG.

The server reads the times out of the execution's journal; see boxes/workflows/timeline.py for what the figures mean.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jubako.cli.context import Context, basename
from jubako.cli.errors import OK, UsageError
from jubako.cli.formats import Text
from jubako.cli.terminal import Terminal, clean, clip, pad, width
from jubako.cli.workflow_names import execution_name

Chart = dict[str, Any]
"""The answer of ``:timeline``."""
_BAR_MIN, _BAR_MAX, _PIPE_COLUMNS = 20, 60, 110
_PATH_MAX = 12
"""Of a longer critical path the first and the last steps are named; the chart marks them all."""


def show_timeline(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows timeline``."""
    from jubako.cli.workflow_timeline_svg import svg  # noqa: PLC0415 - that module imports this one

    chart = context.client.get(f"/jubako/v1/{execution_name(args, context)}:timeline")
    if args.svg is not None:
        try:
            args.svg.write_text(svg(chart), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--svg: {args.svg} cannot be written: {error}.") from None
        context.note(f"Written to {args.svg}.")
    context.show(chart, Text(gantt))
    return OK


def gantt(chart: Chart, terminal: Terminal) -> Iterator[str]:
    """Yield the chart as lines; ``*`` marks the critical path."""
    steps, whole = chart["steps"], max(chart["seconds"], 1e-6)
    columns = min(terminal.columns, _PIPE_COLUMNS)
    yield terminal.paint(
        f"Execution {basename(chart['execution'])}  {chart['state'].lower()}  {span(chart['seconds'])}",
        "bold",
    )
    names = [short(step["name"]) for step in steps]
    room = min(max(map(width, names), default=0), max(columns - _BAR_MIN - 16, 16))
    bar_room = max(min(columns - room - 14, _BAR_MAX), _BAR_MIN)
    for name, step in zip(names, steps, strict=True):
        mark = "*" if step["isCritical"] else " "
        shown = terminal.paint(_bar(step, whole, bar_room), *_style(step))
        yield f"{mark} {pad(clip(name, room), room)} {shown} {pad(span(step['seconds']), 8, right=True)}"
    yield from sums(chart)


def _style(step: Mapping[str, Any]) -> Sequence[str]:
    if step["state"] == "FAILED":
        return ("red",)
    return ("yellow",) if step["isCritical"] else ("blue",)


def _bar(step: Mapping[str, Any], whole: float, room: int) -> str:
    begin = min(int(step["offsetSeconds"] / whole * room), room - 1)
    length = max(round(step["seconds"] / whole * room), 1)
    letter = "\N{FULL BLOCK}" if step["isCritical"] else "\N{MEDIUM SHADE}"
    return pad(" " * begin + letter * min(length, room - begin), room)


def sums(chart: Chart) -> Iterator[str]:
    """Yield what the chart comes to, in sentences."""
    serial, saved = chart["oneAfterAnotherSeconds"], chart["savedSeconds"]
    share = f" ({saved / serial:.0%})" if serial > 0 else ""
    yield ""
    yield (
        f"One after another {span(serial)}; took {span(chart['seconds'])}; parallelism saved {span(saved)}{share}. "
        f"Lower bound by what main's steps need of each other: {span(chart['lowerBoundSeconds'])}."
    )
    if path := list(map(short, chart["criticalPath"])):
        if len(path) > _PATH_MAX:
            half = _PATH_MAX // 2
            path = [*path[:half], f"... {len(path) - _PATH_MAX:,} more ...", *path[-half:]]
        yield f"Critical path (*): {' -> '.join(path)}"
    for names in _groups(chart["independent"]):
        yield (
            f"{', '.join(names[:-1])} and {names[-1]} use none of each other's variables: they could run in parallel, "
            "unless they meet outside of the workflow."
        )


def short(name: str) -> str:
    """Return the name of an effect as people read it: without what is the same for nearly all."""
    return clean(name).removeprefix("main/").removesuffix("#0")


def _groups(pairs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return sets of steps of which each two are a pair; every pair is in one of them."""
    known = {frozenset(pair) for pair in pairs}
    groups: list[list[str]] = []
    for one, other in pairs:
        for group in groups:
            more = [name for name in (one, other) if name not in group]
            if len(more) < 2 and all(frozenset((new, name)) in known for new in more for name in group):
                group.extend(map(clean, more))
                break
        else:
            groups.append([clean(one), clean(other)])
    return groups


def span(seconds: float) -> str:
    """Return ``0.3 ms``, ``12 ms``, ``1.2 s``, ``2:05`` or ``1:02:05``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
