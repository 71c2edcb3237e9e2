"""The result of a check: ``report.json`` for programs, ``report.html`` for people. Equal input gives equal bytes.

``report.json``:

    schema     "telop-report/1"; grows by adding keys
    video      {name, duration (seconds), language}
    speech     {source: script | asr | none, utterances: how many}
    mode       strict | balanced | sensitive
    summary    {telops, findings, by_kind: {kind: n}, by_severity: {severity: n}}
    findings   in the order of the video, each {id, telop_id, start, end, kind, telop, offset, wrong, right, said,
               confidence, severity}; see `jubako_apps.telop.findings.Finding`
    telops     in the order of the video, each {id, start, end, text, confidence}
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from jubako_apps.telop.findings import Finding, finding_to_json
from jubako_apps.telop.telops import Telop, Transcript

SCHEMA: Final = "telop-report/1"

SOURCES: Final = {
    "script": "the script",
    "asr": "speech recognised from the sound, which makes mistakes of its own",
    "none": "nothing: there was neither a script nor recognised speech",
}

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--bad:#c22;--mark:#fd6}
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.2rem 0;overflow-wrap:anywhere}
.facts{opacity:.75;margin:0 0 1rem}
article{border:1px solid var(--line);border-left:.35rem solid #999;border-radius:.4rem}
article{padding:.7rem 1rem;margin:.8rem 0}
article.high{border-left-color:var(--bad)}article.medium{border-left-color:#e90}
article header{display:flex;flex-wrap:wrap;gap:.3rem .9rem;align-items:baseline;font-size:.9rem}
time{font-variant-numeric:tabular-nums;font-weight:600}
.telop{font-size:1.2rem;margin:.3rem 0;overflow-wrap:anywhere}
mark{background:var(--mark);color:#000;border-radius:.15rem;padding:0 .1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .8rem;margin:.3rem 0 0}
dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}td{border-top:1px solid var(--line);padding:.25rem .5rem;vertical-align:top}
td:last-child{overflow-wrap:anywhere}
""".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Everything a report is made of."""

    name: str
    duration: float
    language: str
    mode: str
    transcript: Transcript
    telops: Sequence[Telop]
    findings: Sequence[Finding]


def report_json(check: Check) -> dict[str, Any]:
    """Return ``report.json``; its shape is told at the top of this module."""
    return {
        "schema": SCHEMA,
        "video": {"name": check.name, "duration": check.duration, "language": check.language},
        "speech": {"source": check.transcript.source, "utterances": len(check.transcript.utterances)},
        "mode": check.mode,
        "summary": {
            "telops": len(check.telops),
            "findings": len(check.findings),
            "by_kind": dict(Counter(finding.kind for finding in check.findings)),
            "by_severity": dict(Counter(finding.severity for finding in check.findings)),
        },
        "findings": [finding_to_json(finding) for finding in check.findings],
        "telops": [_telop_json(telop) for telop in check.telops],
    }


def report_html(check: Check) -> bytes:
    """Return one self-contained page; it needs no script and no network, and everything in it is escaped."""
    count = len(check.findings)
    headline = "Nothing suspicious found" if not count else f"{count} suspicious {_telops(count)}"
    facts = (
        f"{len(check.telops)} {_telops(len(check.telops))} in {timecode(check.duration)}, compared with "
        f"{SOURCES[check.transcript.source]}. Mode: {check.mode}."
    )
    rows = "\n".join(
        f"<tr><td><time>{timecode(telop.start)}</time></td><td>{_text(telop.text)}</td></tr>"
        for telop in check.telops
    )
    page = f"""<!doctype html>
<html lang="{_text(check.language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(check.name)}: telop check</title>
<style>
{_STYLE}
</style>
</head>
<body>
<h1>{_text(check.name)}: {headline}</h1>
<p class="facts">{facts}</p>
<main>
{"".join(_article(finding) for finding in check.findings)}</main>
<details{"" if count else " open"}>
<summary>All telops</summary>
<table>
{rows}
</table>
</details>
</body>
</html>
"""
    return page.encode("utf-8", "replace")


def timecode(seconds: float) -> str:
    """Return ``m:ss.d``, from an hour on ``h:mm:ss.d``."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def _article(finding: Finding) -> str:
    rows = [("should be", finding.right), ("said", finding.said)]
    detail = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in rows if value)
    return (
        f'<article class="{finding.severity}" id="f{_text(finding.id)}">\n'
        f"<header><time>{timecode(finding.start)}–{timecode(finding.end)}</time> <strong>{finding.kind}</strong> "
        f"<span>{finding.severity}, {finding.confidence:.0%} sure</span></header>\n"
        f'<p class="telop">{_marked(finding)}</p>\n<dl>{detail}</dl>\n</article>\n'
    )


def _marked(finding: Finding) -> str:
    begin, end = finding.offset, finding.offset + len(finding.wrong)
    inside = _text(finding.telop[begin:end]) if finding.wrong else "‸"
    return f"{_text(finding.telop[:begin])}<mark>{inside}</mark>{_text(finding.telop[end:])}"


def _text(text: str) -> str:
    return escape("".join(char if char.isprintable() else " " for char in text))


def _telops(count: int) -> str:
    return "telop" if count == 1 else "telops"


def _telop_json(telop: Telop) -> dict[str, Any]:
    return {
        "id": telop.id,
        "start": telop.start,
        "end": telop.end,
        "text": telop.text,
        "confidence": telop.confidence,
    }
