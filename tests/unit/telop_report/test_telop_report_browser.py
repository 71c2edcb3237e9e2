"""The report in a real browser, from a file: filters, decisions, exports."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from html import escape
from pathlib import Path
from typing import Any

import pytest

from jubako_apps.telop.findings import Finding
from jubako_apps.telop.page import POLICY
from jubako_apps.telop.report import Check, report_html
from jubako_apps.telop.telops import Telop, Transcript

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

HARNESS = """
(async function () {
  var got = {live: document.body.classList.contains("live")}, blobs = [];
  URL.createObjectURL = function (blob) { blobs.push(blob); return "blob:none"; };
  HTMLAnchorElement.prototype.click = function () { got.name = this.download; };
  function all(query) { return Array.prototype.slice.call(document.querySelectorAll(query)); }
  function shown() { return all("article").map(function (one) { return !one.hidden; }); }
  got.before = shown();
  all('#tools input[value="low"]')[0].click();
  got.without_low = shown();
  all('#tools input[value="low"]')[0].click();
  all("article")[0].querySelector('button[value="dismissed"]').click();
  all("article")[1].querySelector('button[value="accepted"]').click();
  var decisions = Object.keys(localStorage).filter(function (key) { return !key.endsWith(":off"); })[0];
  got.stored = localStorage.getItem(decisions);
  all('#tools input[value="dismissed"]')[0].click();
  got.off = localStorage.getItem(decisions + ":off");
  got.note = document.getElementById("note").textContent;
  got.without_dismissed = shown();
  all("button[data-save]").forEach(function (button) { button.click(); });
  got.files = await Promise.all(blobs.map(function (blob) { return blob.text(); }));
  function press(key) {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: key, bubbles: true}));
    return all("article").indexOf(document.activeElement);
  }
  got.keys = [press("j"), press("j"), press("k"), press("a"), press("d"), press("k")];
  got.after_keys = shown();
  press("d");
  got.stored_by_key = localStorage.getItem(decisions);
  got.unnamed = all("button, input").filter(function (one) {
    return !(one.textContent || one.labels[0].textContent).trim();
  }).length;
  got.headings = all("h2").map(function (one) { return one.textContent; });
  got.fits = document.documentElement.scrollWidth <= window.innerWidth;
  got.width = window.innerWidth;
  got.injected = Boolean(window.injected);
  document.body.setAttribute("data-got", JSON.stringify(got));
})();
"""


def telop(number: int, text: str) -> Telop:
    return Telop(
        id=number, segment=0, lane=0, start=60.0 * number, end=60.0 * number + 2, open_end=False, text=text,
        confidence=1.0, box=(0.0, 0.0, 1.0, 1.0),
    )  # fmt: skip


def finding(number: int, kind: Any, severity: Any, wrong: str, right: str) -> Finding:
    return Finding(
        id=f"{number}-0-{kind}", telop_id=number, start=60.0 * number + 1.2, end=60.0 * number + 2, kind=kind,
        telop=f'{wrong} "said", =1+1', offset=0, wrong=wrong, right=right, said="x\ny", confidence=0.9,
        severity=severity,
    )  # fmt: skip


@pytest.fixture
def got(tmp_path: Path) -> Any:
    """Return what a browser the size of a phone has seen and done in a report opened as a file."""
    if CHROMIUM is None:
        pytest.skip("chromium is not on PATH")
    evil = "<img src=x onerror=window.injected=1>" + "long" * 60
    findings = [
        finding(0, "homophone", "high", "whether", "weather"),
        finding(1, "variant", "low", "=収獲", "収穫"),
        finding(70, "name", "high", evil, "x"),
    ]
    check = Check(
        name="news.mp4", duration=90.0, language="en", mode="balanced", fps=30000 / 1001,
        transcript=Transcript(source="script", language="en", utterances=()),
        telops=[telop(0, "whether"), telop(1, evil)], findings=findings,
    )  # fmt: skip
    page = report_html(check).decode()
    # The harness needs a place in the policy; without one the page would not run it, which is tested too.
    digest = base64.b64encode(hashlib.sha256(HARNESS.encode()).digest()).decode()
    allowed = POLICY.replace("script-src ", f"script-src 'sha256-{digest}' ")
    page = page.replace(escape(POLICY), escape(allowed))
    page = page.replace("</body>", f"<script>{HARNESS}</script><script>window.injected=1</script></body>")
    place = tmp_path / "report.html"
    place.write_text(page, "utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    command += ["--window-size=500,900", "--virtual-time-budget=3000", "--dump-dom", place.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    match = re.search(r'data-got="([^"]*)"', done.stdout.decode())
    assert match, done.stdout[-2000:]
    return json.loads(html.unescape(match.group(1)))


@pytest.mark.slow
def test_an_editor_filters_decides_and_exports(got):
    assert got["live"] is True
    assert got["before"] == [True, True, True]
    assert got["without_low"] == [True, False, True]
    assert got["without_dismissed"] == [False, True, True]
    assert json.loads(got["stored"]) == {"0-0-homophone": "dismissed", "1-0-variant": "accepted"}
    assert json.loads(got["off"]) == ["state=dismissed"]
    assert got["note"] == "2 of 3 shown, 1 to decide"
    assert got["injected"] is False
    assert got["fits"] is True
    assert got["width"] <= 500
    table, subtitles, edits = got["files"]
    assert (
        table.splitlines()[0]
        == "id,start_timecode,end_timecode,start,end,severity,kind,telop,wrong,right,said,confidence,decision"
    )
    assert '"whether ""said"", =1+1"' in table
    assert '"\'=収獲"' in table
    assert subtitles.startswith("1\n00:01:01,200 --> 00:01:02,000\nvariant: =収獲 -> 収穫 | ")
    assert "whether" not in subtitles
    assert edits.startswith(
        "TITLE: TELOP CHECK\nFCM: DROP FRAME\n\n001  AX       V     C        00:01:01;06 "
    )
    assert "002  AX       V     C        01:10:01;06" in edits
    assert got["name"] == "news.mp4.check.edl"


@pytest.mark.slow
def test_an_editor_needs_no_mouse_and_everything_has_a_name(got):
    # 0 is dismissed and filtered away; 1 was accepted: A takes that back, D dismisses it, and 2 is gone on with.
    assert got["keys"] == [1, 2, 1, 1, 2, 2]
    assert got["after_keys"] == [False, False, True]
    assert set(json.loads(got["stored_by_key"]).values()) == {"dismissed"}
    assert got["unnamed"] == 0
    assert got["headings"][0].startswith("00:00:01;05 – 00:00:01;29 homophone")
