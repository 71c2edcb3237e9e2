import base64
import hashlib
import json
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako_apps.telop.findings import SEVERITY, THRESHOLDS, Finding, in_order
from jubako_apps.telop.page import POLICY, SCRIPT, STYLE
from jubako_apps.telop.receptions import Missing
from jubako_apps.telop.reconcile import reconcile
from jubako_apps.telop.reconcile.windows import said, window
from jubako_apps.telop.report import Check, report_html, report_json, timecode
from jubako_apps.telop.score import score
from jubako_apps.telop.second import Opinion
from jubako_apps.telop.telops import Telop, Transcript, Utterance
from jubako_sdk import encode_json

DOCUMENTS = Path(__file__).parents[3] / "docs/reference"
EVIL = '"><script>alert(1)</script>&amp;\u202e\0\ud800\n'


def telop(start: float, text: str, number: int = 0) -> Telop:
    return Telop(
        id=number, segment=0, lane=0, start=start, end=start + 3, open_end=False, text=text, confidence=1.0,
        box=(0.0, 0.0, 1.0, 1.0),
    )  # fmt: skip


def finding(**changes: object) -> Finding:
    plain = Finding(
        id="7-4-homophone", telop_id=7, start=61.2, end=64.0, kind="homophone", telop="The whether is fine", offset=4,
        wrong="whether", right="weather", said="The weather is fine.", confidence=0.92, severity="high",
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def check(*findings: Finding, name: str = "news.mp4") -> Check:
    speech = Transcript(source="script", language="en", utterances=())
    telops = [telop(61.2, "The whether is fine", 7)]
    return Check(
        name=name, duration=90.0, language="en", mode="balanced", transcript=speech, telops=telops,
        findings=findings,
    )  # fmt: skip


class Reader(HTMLParser):
    """Collects tags and text, and notices tags that do not match; what scripts hold is kept apart."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "img", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        else:
            self.text += data


def read(page: bytes) -> Reader:
    reader = Reader()
    reader.feed(page.decode())
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_shows_when_what_and_what_should_be_there():
    page = report_html(check(finding()))
    assert b"<mark>whether</mark>" in page
    text = read(page).text
    for words in (
        "00:01:01:05",
        "homophone",
        "weather",
        "The weather is fine.",
        "92% sure",
        "1 suspicious telop",
    ):
        assert words in text


def test_the_change_to_type_and_what_was_said_stand_out_and_nothing_is_certain():
    page = report_html(check(replace(finding(), confidence=0.9996)))
    assert "<del>whether</del> → <ins>weather</ins>".encode() in page
    assert b"The <b>weather</b> is fine." in page
    assert b"99% sure" in page
    lost = report_html(check(replace(finding(), kind="missing", wrong="", right="not")))
    assert b"add <ins>not</ins>" in lost


def test_what_others_think_and_read_stands_beside_the_finding_and_is_no_markup():
    one = finding()
    evil = "<script>alert(1)</script>"
    opinion = Opinion(verdict="fine", reason=evil)
    asked = replace(check(one), opinions={one.id: opinion}, rereadings={one.telop_id: evil + "weather"})
    reader = read(report_html(asked))
    for words in (f"fine: {evil}", f"{evil}weather", "second opinion", "second reading"):
        assert words in reader.text
    [told] = report_json(asked)["findings"]
    assert told["second_opinion"] == {"verdict": "fine", "reason": evil}
    assert told["second_reading"] == evil + "weather"
    [alone] = report_json(check(one))["findings"]
    assert (alone["second_opinion"], alone["second_reading"]) == (None, None)


def test_nothing_in_the_page_is_taken_for_markup():
    evil = finding(telop=EVIL, offset=0, wrong=EVIL, right=EVIL, said=EVIL, id=EVIL)
    reader = read(report_html(check(evil, name=EVIL)))
    data, program = reader.scripts
    assert program == SCRIPT
    assert "<" not in data
    assert json.loads(data)["findings"][0]["telop"] == EVIL
    assert "<script>alert(1)</script>" in reader.text


@given(st.text(), st.integers(0, 20), st.text(max_size=5))
def test_no_text_whatever_breaks_the_page(text, offset, wrong):
    reader = read(report_html(check(finding(telop=text, offset=offset, wrong=wrong, said=text), name=text)))
    assert set(reader.tags) <= set(read(report_html(check(finding()))).tags)
    assert reader.scripts[1:] == [SCRIPT]


def test_the_page_stands_alone_and_fits_a_phone():
    page = report_html(check(finding())).decode()
    markup = page.replace(SCRIPT, "")
    assert not re.search(r"(src|href)=|@import|url\(|style=| on[a-z]+=", markup)
    assert f'content="{escape(POLICY)}"' in markup
    for kind, text in (("script", SCRIPT), ("style", STYLE)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in POLICY
        assert f"<{kind}>{text}</{kind}>" in page
    assert 'name="viewport"' in page


def test_a_clean_video_says_so_and_shows_what_was_read():
    text = read(report_html(check())).text
    assert "Nothing suspicious found" in text
    assert "The whether is fine" in text


def test_the_json_has_its_documented_shape():
    report = json.loads(encode_json(report_json(check(finding()))))
    assert report["schema"] == "telop-report/1"
    assert report["summary"] == {
        "telops": 1,
        "findings": 1,
        "by_kind": {"homophone": 1},
        "by_severity": {"high": 1},
    }
    assert report["findings"][0]["right"] == "weather"
    assert set(report) == {
        "schema", "schemaVersion", "video", "speech", "mode", "complete", "missing", "summary", "findings", "telops",
    }  # fmt: skip


def test_the_json_is_what_the_schema_in_the_documentation_says():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((DOCUMENTS / "telop-report.schema.json").read_text("utf-8"))
    gap = Missing(stage="speech", part=2, parts=3, start=60.0, end=120.0, reason="x")
    for fps in (25.0, 30000 / 1001):
        full = replace(check(finding(), finding(id="2", right=None, said=None)), missing=[gap], fps=fps)
        report = json.loads(encode_json(report_json(full)))
        jsonschema.Draft202012Validator(schema).validate(report)
        assert set(report["findings"][0]) == set(schema["properties"]["findings"]["items"]["properties"])
        assert set(report) == set(schema["properties"])
    assert set(SEVERITY) == set(schema["properties"]["findings"]["items"]["properties"]["kind"]["enum"])
    wrong = report_json(check(finding(kind="taste")))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def test_what_was_not_checked_is_said_first_for_people_and_for_programs():
    gap = Missing(stage="ocr", part=2, parts=3, start=60.0, end=120.0, reason="<b>news.mp4</b> breaks off.")
    broken = replace(check(), missing=[gap])
    text = read(report_html(broken)).text
    assert "Not everything was checked" in text
    assert "1:00.0–2:00.0 <b>news.mp4</b> breaks off." in text
    report = report_json(broken)
    assert report["complete"] is False
    assert report["missing"] == [
        {"stage": "ocr", "part": 2, "parts": 3, "start": 60.0, "end": 120.0, "reason": gap.reason}
    ]


def test_a_telop_with_a_picture_shows_it_from_the_page_itself():
    page = report_html(replace(check(finding()), crops={7: b"jpeg"})).decode()
    assert '<img alt="" src="data:image/jpeg;base64,anBlZw==">' in page


def test_every_key_of_the_json_is_documented():
    documented = (DOCUMENTS / "telop-report.md").read_text("utf-8")
    gap = Missing(stage="ocr", part=2, parts=3, start=60.0, end=120.0, reason="x")
    report = report_json(replace(check(finding()), missing=[gap]))
    keys = {*report, *report["video"], *report["findings"][0], *report["telops"][0], *report["missing"][0]}
    assert {key for key in keys if f"`{key}`" not in documented} == set()


def test_equal_checks_give_equal_bytes():
    for make in (report_html, lambda one: encode_json(report_json(one))):
        assert make(check(finding())) == make(check(finding()))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (61.25, "1:01.2"), (3599.94, "59:59.9"), (3600, "1:00:00.0")],
)
def test_time_codes(seconds, text):
    assert timecode(seconds) == text


def test_findings_come_in_the_order_of_the_video_each_once_and_the_surest():
    early, late = finding(id="1", start=1.0), finding(id="2", start=2.0, confidence=0.5)
    assert in_order([late, early, replace(late, confidence=0.9)]) == [early, replace(late, confidence=0.9)]


def test_every_kind_has_a_severity_and_modes_are_ordered():
    assert set(SEVERITY.values()) == {"high", "medium", "low"}
    assert THRESHOLDS["strict"] > THRESHOLDS["balanced"] > THRESHOLDS["sensitive"]


def utterances(*texts: str) -> tuple[Utterance, ...]:
    return tuple(
        Utterance(id=n, start=10.0 * n, end=10.0 * n + 8, text=text, words=()) for n, text in enumerate(texts)
    )


def test_a_telop_is_compared_with_what_is_said_around_it():
    spoken = utterances("a", "b", "c", "d", "e")
    assert [u.text for u in window(spoken, telop(21.5, ""))] == ["b", "c", "d"]
    assert [u.text for u in window(spoken, telop(999, ""))] == ["d", "e"]
    assert said(spoken, telop(21.5, "")) == "c"
    assert window((), telop(1, "")) == []
    assert said((), telop(1, "")) is None


def test_findings_do_not_depend_on_the_order_of_telops_and_have_stable_ids():
    pytest.importorskip("pocketsphinx")
    spoken = Transcript(
        source="script", language="en", utterances=utterances("The weather is fine.", "All is well today.")
    )
    telops = [telop(1, "The whether is fine", 8), telop(11, "Al is wel today", 800)]
    found = reconcile(telops, spoken)
    assert [one.id for one in found] == ["8-4-homophone", "800-0-misspelling", "800-6-misspelling"]
    assert reconcile(telops[::-1], spoken) == found


def test_a_doubtful_reading_makes_its_findings_doubtful():
    pytest.importorskip("pocketsphinx")
    spoken = Transcript(source="script", language="en", utterances=utterances("The weather is fine."))
    sure = telop(1, "The whether is fine")
    [one] = reconcile([replace(sure, confidence=0.5)], spoken)
    [other] = reconcile([replace(sure, confidence=1.0)], spoken)
    assert one.confidence < other.confidence


TRUTH = {
    "telops": [
        {"start": 1.0, "end": 4.0, "text": "The whether is fine"},
        {"start": 5, "end": 9, "text": "All is wel"},
    ],
    "errors": [
        {"telop": 0, "kind": "homophone", "wrong": "whether", "right": "weather"},
        {"telop": 1, "kind": "misspelling", "wrong": "wel", "right": "well"},
    ],
}


def test_scoring_counts_found_missed_and_made_up():
    hit = finding(start=1.2, end=4.0)
    elsewhere = finding(start=1.2, end=4.0, offset=0, wrong="The")
    another_telop = finding(start=5.0, end=9.0)
    late = finding(start=20.0, end=24.0)
    result = score([hit, hit, another_telop, late], TRUTH)
    assert (result.found, result.missed, result.wrong, result.right_kind) == (1, 1, 2, 1)
    assert result.precision == pytest.approx(1 / 3)
    assert result.recall == 0.5
    assert score([elsewhere], TRUTH).wrong == 1
    assert score([], {"telops": [], "errors": []}).precision == 1.0
