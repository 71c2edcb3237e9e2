"""The end of a check, in the terminal: what was found, where the reports are, what working in parallel brought."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from jubako.cli.demo.score import score
from jubako.cli.demo.timing import Timing
from jubako.cli.tables import wrap, wrapped_table
from jubako.cli.terminal import Terminal, pad
from jubako.cli.times import clock, seconds

Finding = Mapping[str, Any]
"""``{"start", "telop", "said", "kind", "wrong", "right", ...}`` of ``report.json``."""
HEADERS = ("TIME", "CAPTION", "WHAT WAS SAID", "SUSPECTED")
FACT_INDENT = 13
KINDS = {"missing": "missing", "extra": "too much"}


def show_findings(out: Terminal, findings: Sequence[Finding]) -> None:
    """Print the findings as a table."""
    if not findings:
        out.print(out.paint("No suspected typos.", "green"))
        return
    out.print(out.paint(f"{len(findings)} suspected typos", "bold"))
    out.print()
    for line in wrapped_table(HEADERS, [_row(finding) for finding in findings], out):
        out.print(line)
    out.print()


def _row(finding: Finding) -> tuple[str, str, str, str]:
    time = clock(timedelta(seconds=finding["start"]))
    return time, finding["telop"], finding.get("said") or "-", suspicion(finding)


def suspicion(finding: Finding) -> str:
    """Return ``number: 54 → 45``, as much of it as is known."""
    kind = KINDS.get(finding["kind"], str(finding["kind"]))
    wrong, right = finding.get("wrong") or "", finding.get("right")
    change = " → ".join(part for part in (wrong, right) if part)
    return f"{kind}: {change}" if change else kind


def truth_line(findings: Sequence[Finding], truth: Path) -> str:
    """Return precision and recall by the truth that is bundled with a clip."""
    result = score(findings, json.loads(truth.read_bytes()))
    return (
        f"by the typos planted in this clip: precision {result['precision']:.2f} "
        f"({result['wrong']} false alarms), recall {result['recall']:.2f} "
        f"({result['found']} of {result['found'] + result['missed']} found)"
    )


def report_paths(folder: Path, link: str) -> Iterator[tuple[str, str]]:
    """Yield name and place of the reports: their paths, or the address to fetch them from."""
    for name in ("report.html", "report.json"):
        path = folder / name
        yield name, str(path) if path.exists() else f"{link}/{name}"


def facts(out: Terminal, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of a list of facts, a name on the left of each; paths are not broken, so they can be copied."""
    room = max(out.columns - FACT_INDENT, 20)
    for name, text in pairs:
        first, *rest = [text] if "/" in text and " " not in text else wrap(text, room)
        yield out.paint(pad(name, FACT_INDENT), "bold") + first
        yield from (pad("", FACT_INDENT) + line for line in rest)


def timing_line(timing: Timing, cores: int) -> str:
    """Return the wall time of the parallel run beside the sum of its parts.

    The parts' times are those measured while they ran side by side, which is said. Of a run that was interrupted only
    the time counts during which something was being worked on.
    """
    parts = timing.one_after_another()
    wall, what = timing.at_work(), "at work, without the interruption"
    if timing.whole is not None and not timing.was_interrupted():
        wall, what = timing.whole[1] - timing.whole[0], "from start to end"
    ratio = f" ({wall / parts:.2f} of it)" if parts else ""
    return (
        f"{seconds(wall)} {what}, in parallel; its parts one after another: {seconds(parts)}{ratio}, "
        f"each as long as it took beside the others on {cores} cores"
    )
