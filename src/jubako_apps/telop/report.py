"""The result of a check: ``report.json`` for programs, ``report.html`` for people. Equal input gives equal bytes.

``report.json`` (in full: docs/reference/telop-report.md):

    schema         "telop-report/1"; grows by adding keys
    schemaVersion  "1.3"
    video          {name, duration (seconds), language, fps}
    speech         {source: script | asr | none, utterances: how many, offset: seconds it was moved by}
    mode           strict | balanced | sensitive
    complete       whether everything was looked at
    missing        what was not, each {stage, part, parts, start, end, reason}
    summary        {telops, findings, by_kind: {kind: n}, by_severity: {severity: n}}
    findings       in the order of the video, each {id, telop_id, start, end, start_timecode, end_timecode, kind, telop,
                   offset, wrong, right, said, confidence, severity, second_opinion, second_reading};
                   see `jubako_apps.telop.findings.Finding`
    telops         in the order of the video, each {id, start, end, text, confidence, box}
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final

from jubako_apps.telop.findings import Finding, finding_to_json
from jubako_apps.telop.page import POLICY, SCRIPT, STYLE
from jubako_apps.telop.receptions import Missing
from jubako_apps.telop.telops import Telop, Transcript
from jubako_apps.telop.timecodes import is_drop, smpte

if TYPE_CHECKING:
    from jubako_apps.telop.second import Opinion

SCHEMA: Final = "telop-report/1"
SCHEMA_VERSION: Final = "1.3"

_SUREST: Final = 0.99
"""Nothing is shown as certain."""

SOURCES: Final = {
    "script": "the script",
    "asr": "speech recognised from the sound, which makes mistakes of its own",
    "none": "nothing: there was neither a script nor recognised speech",
}


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
    fps: float = 25.0
    crops: Mapping[int, bytes] = field(default_factory=dict)
    """A JPEG for each telop that is to have a picture, by telop id."""
    missing: Sequence[Missing] = ()
    opinions: Mapping[str, "Opinion"] = field(default_factory=dict)
    """What a second opinion says, by the id of the finding."""
    rereadings: Mapping[int, str] = field(default_factory=dict)
    """What another reader sees, by telop id."""
    script_offset: float = 0.0
    """By how many seconds the script was moved, because its times were off."""


def report_json(check: Check) -> dict[str, Any]:
    """Return ``report.json``; its shape is told at the top of this module."""
    return {
        "schema": SCHEMA,
        "schemaVersion": SCHEMA_VERSION,
        "video": {
            "name": check.name,
            "duration": check.duration,
            "language": check.language,
            "fps": check.fps,
        },
        "speech": {
            "source": check.transcript.source,
            "utterances": len(check.transcript.utterances),
            "offset": check.script_offset,
        },
        "mode": check.mode,
        "complete": not check.missing,
        "missing": [asdict(one) for one in check.missing],
        "summary": {
            "telops": len(check.telops),
            "findings": len(check.findings),
            "by_kind": dict(Counter(finding.kind for finding in check.findings)),
            "by_severity": dict(Counter(finding.severity for finding in check.findings)),
        },
        "findings": _findings(check),
        "telops": [_telop_json(telop) for telop in check.telops],
    }


def report_html(check: Check) -> bytes:
    """Return one self-contained page that needs no network; everything in it is escaped.

    Its only script is that of `jubako_apps.telop.page`; the page's own policy allows no other.
    """
    count = len(check.findings)
    headline = "Nothing suspicious found" if not count else f"{count} suspicious {_telops(count)}"
    facts = (
        f"{len(check.telops)} {_telops(len(check.telops))} in {timecode(check.duration)}, compared with "
        f"{SOURCES[check.transcript.source]}. Mode: {check.mode}.{_moved(check.script_offset)}"
    )
    rows = "\n".join(
        f"<tr><td><time>{smpte(telop.start, check.fps)}</time></td>"
        f"<td{_in(check)}>{_text(telop.text)}</td></tr>"
        for telop in check.telops
    )
    articles = "".join(_article(number, one, check) for number, one in enumerate(check.findings))
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(check.name)}: telop check</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{_text(check.name)}: {headline}</h1>
<p class="facts">{facts}</p>
{_gaps(check.missing)}{_tools(check.findings)}<main>
{articles}</main>
<details{"" if count else " open"}>
<summary>All telops</summary>
<table>
{rows}
</table>
</details>
<script type="application/json" id="data">{_data(check)}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""
    return page.encode("utf-8", "replace")


def _moved(offset: float) -> str:
    if not offset:
        return ""
    way = "early" if offset > 0 else "late"
    return f" The script's times were {abs(offset):.1f} s too {way}; they were moved."


def _gaps(missing: Sequence[Missing]) -> str:
    if not missing:
        return ""
    items = "".join(
        f"<li><time>{timecode(gap.start)}–{timecode(gap.end)}</time> {_text(gap.reason)}</li>"
        for gap in missing
    )
    return f'<section class="missing"><p><strong>Not everything was checked:</strong></p><ul>{items}</ul></section>\n'


def _tools(findings: Sequence[Finding]) -> str:
    """Return the filters and exports; the page's script shows them, without it they would do nothing."""
    groups: dict[str, Sequence[str]] = {
        "severity": [one for one in ("high", "medium", "low") if any(f.severity == one for f in findings)],
        "kind": sorted({finding.kind for finding in findings}),
        "state": ["open", "accepted", "dismissed"],
    }
    boxes = "".join(
        f"<fieldset><legend>{name}</legend>"
        + "".join(
            f'<label><input type="checkbox" name="{name}" value="{value}" checked>{value}</label>'
            for value in values
        )
        + "</fieldset>"
        for name, values in groups.items()
    )
    saves = "".join(
        f'<button type="button" data-save="{kind}">Save {kind.upper()}</button>'
        for kind in ("csv", "srt", "edl")
    )
    return (
        '<details id="tools"><summary>Filter and export <output id="note"></output></summary>\n'
        f'{boxes}<div class="save">{saves}</div>\n'
        "<p>CSV has every finding with its decision; SRT and EDL have a comment for each that is not dismissed. "
        "Filters and decisions stay in this browser.</p>\n"
        "<p>Keys: <kbd>J</kbd> next, <kbd>K</kbd> previous; in a finding <kbd>A</kbd> accept, "
        "<kbd>D</kbd> dismiss.</p></details>\n"
    )


def _findings(check: Check) -> list[dict[str, Any]]:
    return [
        finding_to_json(one)
        | {"start_timecode": smpte(one.start, check.fps), "end_timecode": smpte(one.end, check.fps)}
        | {"second_opinion": asdict(check.opinions[one.id]) if one.id in check.opinions else None}
        | {"second_reading": check.rereadings.get(one.telop_id)}
        for one in check.findings
    ]


def _data(check: Check) -> str:
    """Return what the script works on, as JSON that no parser of HTML can leave."""
    findings = _findings(check)
    listed = json.dumps(findings, sort_keys=True)
    value = {
        "key": hashlib.sha256(f"{check.name}\0{listed}".encode("utf-8", "replace")).hexdigest()[:16],
        "name": _plain(check.name),
        "is_drop": is_drop(check.fps),
        "findings": findings,
    }
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def timecode(seconds: float) -> str:
    """Return ``m:ss.d``, from an hour on ``h:mm:ss.d``."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def _article(number: int, finding: Finding, check: Check) -> str:
    second = check.opinions.get(finding.id)
    opinion = f"{second.verdict}: {second.reason}" if second else None
    rows = [
        ("change", _change(finding), _in(check)),
        ("said", _said(finding), _in(check)),
        ("second opinion", _text(opinion or ""), ""),
        ("second reading", _text(check.rereadings.get(finding.telop_id, "")), _in(check)),
    ]
    detail = "".join(f"<dt>{name}</dt><dd{lang}>{value}</dd>" for name, value, lang in rows if value)
    crop = check.crops.get(finding.telop_id)
    start, end = (smpte(time, check.fps) for time in (finding.start, finding.end))
    picture = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(crop).decode()}">\n' if crop else ""
    buttons = "".join(
        f'<button type="button" value="{value}" aria-pressed="false">{word}</button>'
        for value, word in (("accepted", "Accept: fix it"), ("dismissed", "Dismiss: it is right"))
    )
    return (
        f'<article class="{finding.severity}" id="f{_text(finding.id)}" data-number="{number}" tabindex="-1" '
        f'aria-labelledby="h{number}">\n'
        f'<header><h2 id="h{number}"><time>{start} – {end}</time> {finding.kind}</h2> '
        f"<span>{finding.severity}, {min(finding.confidence, _SUREST):.0%} sure</span></header>\n"
        f'{picture}<p class="telop"{_in(check)}>{_marked(finding)}</p>\n<dl>{detail}</dl>\n'
        f'<div class="decide">{buttons}</div>\n</article>\n'
    )


def _change(finding: Finding) -> str:
    """Return what to type for what; empty if nobody knows what should be there."""
    if finding.right is None:
        return f"<del>{_text(finding.wrong)}</del>" if finding.kind == "extra" else ""
    old = f"<del>{_text(finding.wrong)}</del> → " if finding.wrong else "add "
    return f"{old}<ins>{_text(finding.right)}</ins>"


def _said(finding: Finding) -> str:
    """Return what was said, the part in question set off where it stands there once."""
    said, right = finding.said or "", finding.right or ""
    if not right or said.count(right) != 1:
        return _text(said)
    before, after = said.split(right)
    return f"{_text(before)}<b>{_text(right)}</b>{_text(after)}"


def _in(check: Check) -> str:
    """Return the attribute that says in which language the video is: the page itself is in English."""
    return f' lang="{_text(check.language)}"'


def _marked(finding: Finding) -> str:
    begin, end = finding.offset, finding.offset + len(finding.wrong)
    inside = _text(finding.telop[begin:end]) if finding.wrong else "‸"
    return f"{_text(finding.telop[:begin])}<mark>{inside}</mark>{_text(finding.telop[end:])}"


def _text(text: str) -> str:
    return escape(_plain(text))


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _telops(count: int) -> str:
    return "telop" if count == 1 else "telops"


def _telop_json(telop: Telop) -> dict[str, Any]:
    return {
        "id": telop.id,
        "start": telop.start,
        "end": telop.end,
        "text": telop.text,
        "confidence": telop.confidence,
        "box": list(telop.box),
    }
