"""What the demo shows and sends, without a server."""

import argparse
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jubako.cli.demo.board import Board, compressed, frame, sentence
from jubako.cli.demo.clip import chosen_clip, require_extra
from jubako.cli.demo.command import gate
from jubako.cli.demo.deployment import Application, _Change, _job
from jubako.cli.demo.findings import suspicion, timing_line, truth_line
from jubako.cli.demo.score import score
from jubako.cli.demo.timing import Timing
from jubako.cli.demo.watch import Branch, Shard, Snapshot
from jubako.cli.errors import CliError, UsageError
from jubako.cli.tables import wrap, wrapped_table
from jubako.cli.terminal import Terminal, width

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def shard(index: int, start: float | None = None, end: float | None = None, state: str = "") -> Shard:
    known = "Pending" if start is None else "Running" if end is None else "Succeeded"
    return Shard(
        index=index,
        state=state or known,
        start=None if start is None else at(start),
        end=None if end is None else at(end),
    )


def snapshot(ocr: Sequence[Shard], speech: Sequence[Shard] = (), total: int = 0) -> Snapshot:
    done = sum(one.state == "Succeeded" for one in ocr)
    return Snapshot(
        id="r-0123456789abcdef01234567",
        state="RUNNING",
        progress=0.5,
        now=at(9),
        name="収穫祭.mp4",
        duration=48.0,
        branches=[
            Branch(name="ocr", done=done, total=total or len(ocr), shards=ocr),
            Branch(name="speech", done=0, total=1, shards=speech),
        ],
    )


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "60")
    return Terminal(Screen(), {"NO_COLOR": "1"})


def spans(*seconds: tuple[float, float]) -> list[tuple[datetime, datetime]]:
    return [(at(start), at(end)) for start, end in seconds]


def test_the_parts_one_after_another_are_the_sum_and_the_time_at_work_is_the_union() -> None:
    parts = spans((0, 4), (1, 6), (10, 12), (0, 3))
    seen = Timing(whole=None, parts=parts, attempts=parts)
    assert seen.one_after_another() == timedelta(seconds=4 + 5 + 2 + 3)
    assert seen.at_work() == timedelta(seconds=6 + 2)


def test_the_picture_fits_the_terminal_and_shows_a_cell_for_each_shard(screen: Terminal) -> None:
    shards = [shard(0, 0, 4), shard(1, 4), shard(2, 4, state="Retrying"), shard(3)]
    lines = frame(snapshot(shards), screen)
    assert all(width(line) < 60 for line in lines)
    assert "1/4" in lines[2]
    assert lines[2].endswith("█▁↻·")
    assert lines[3].endswith("·")


def test_a_running_shard_fills_its_cell_and_its_part_of_the_bar(screen: Terminal) -> None:
    half = [replace(shard(0, 0), part=0.5), shard(1)]
    lines = frame(snapshot(half), screen)
    assert lines[2].endswith("▄·")
    assert "█████░░░░░░░░░░░░░░░ " in lines[2]


def test_any_number_of_shards_fits(screen: Terminal) -> None:
    shards = [shard(index, 0, 1) for index in range(9_999)] + [shard(9_999, 0, 1, state="Failed")]
    lines = frame(snapshot(shards), screen)
    assert all(width(line) < 60 for line in lines)
    assert lines[2].endswith("✗")


def test_a_cell_that_stands_for_several_shards_shows_the_most_urgent() -> None:
    states = ["Succeeded", "Running", "Succeeded", "Succeeded", "Pending", "Failed"]
    assert compressed(states, 3) == ["Running", "Succeeded", "Failed"]
    assert compressed(states, 6) == states


def test_a_pipe_gets_a_line_when_something_has_changed_and_always_the_last() -> None:
    text, now = io.StringIO(), iter([0.0, 0.0, 0.2, 0.4, 5.0, 5.1])
    board = Board(Terminal(text, {}), is_quiet=False, monotonic=lambda: next(now))
    first = snapshot([shard(0, 0), shard(1)])
    board.show(first)
    board.show(first)
    board.show(snapshot([shard(0, 0, 4), shard(1, 4)]))
    board.finish()
    assert [line.split("  ", 2)[-1] for line in text.getvalue().splitlines()] == [
        "running: ocr 0/2 (1 running), speech 0/1",
        "running: ocr 1/2 (1 running), speech 0/1",
    ]


def test_the_line_names_no_times_so_that_it_changes_only_with_events() -> None:
    assert sentence(snapshot([shard(0, 0)])) == "running: ocr 0/1 (1 running), speech 0/1"


def test_a_change_keeps_what_it_does_not_mention_and_changes_nothing_twice() -> None:
    application = Application(server="http://h:1", project="p", location="l", output="/data")
    change = _job(application, "ocr")
    created = change({})
    container = created["template"]["template"]["containers"][0]
    assert container["args"] == ["ocr"]
    assert {"name": "OUTPUT_URI", "value": "file:///data"} in container["env"]
    served: dict[str, Any] = {**created, "launchStage": "GA", "labels": {"a": "b"}}
    assert change(served) == served
    assert _Change({"a": {"b": 2}})({"a": {"b": 1, "c": 3}}) == {"a": {"b": 2, "c": 3}}


def chosen(**given: Any) -> Any:
    none = ("video", "script", "segment_seconds", "glossary", "ng_words")
    flags = {"lang": "en"} | dict.fromkeys(none) | given
    return chosen_clip(argparse.Namespace(**flags))


def test_a_file_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    video, script = tmp_path / "a.mp4", tmp_path / "a.srt"
    video.write_bytes(b"x")
    script.write_text("hello")
    clip = chosen(video=video, script=script, lang="ja")
    assert (clip.video, clip.script, clip.language, clip.segment_seconds) == (video, script, "ja", None)


def test_a_missing_extra_is_named_with_the_way_to_install_it() -> None:
    with pytest.raises(CliError, match="no-such-package") as raised:
        require_extra("en", {"json": "json", "no_such_module": "no-such-package"})
    assert "jubako[telop]" in raised.value.hint
    assert "json" not in raised.value.message


def test_files_that_cannot_be_read_or_used_are_refused_by_flag(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--video"):
        chosen(video=tmp_path / "none.mp4")
    document = tmp_path / "a.docx"
    document.write_bytes(b"x")
    with pytest.raises(UsageError, match="--script"):
        chosen(video=document, script=document)


def finding(start: float, telop: str, wrong: str, **more: Any) -> dict[str, Any]:
    return {"start": start, "end": start + 3, "telop": telop, "wrong": wrong, "kind": "number", **more}


TRUTH: dict[str, Any] = {
    "telops": [
        {"start": 3.4, "end": 7.6, "text": "a budget of 54 million dollars"},
        {"start": 7.8, "end": 11.9, "text": "Mayor Katherine Jonson"},
        {"start": 7.8, "end": 11.9, "text": "The plan will create 300 jobs"},
        {"start": 15.4, "end": 18.8, "text": "will close to all traffic on April 3"},
    ],
    "errors": [
        {"telop": 0, "kind": "number", "wrong": "54", "right": "45"},
        {"telop": 1, "kind": "name", "wrong": "Jonson", "right": "Johnson"},
        {"telop": 3, "kind": "date", "wrong": "April 3", "right": "April 2"},
    ],
}


def placed(start: float, telop: str, wrong: str) -> dict[str, Any]:
    more = {
        "id": f"{start}-{wrong}",
        "telop_id": 0,
        "right": None,
        "said": None,
        "confidence": 0.9,
        "severity": "high",
    }
    return finding(start, telop, wrong, offset=telop.index(wrong), **more)


def test_findings_are_measured_by_the_planted_errors_as_the_application_does_it(tmp_path: Path) -> None:
    pytest.importorskip("rapidfuzz")
    given = [
        placed(3.6, "a budget of 54 million dollars", "54 million"),
        placed(15.6, "wi11 close to all traffic on April 3", "3"),
        placed(7.9, "The plan will create 300 jobs", "300"),
        placed(30.0, "Mayor Katherine Jonson", "Jonson"),
        placed(7.9, "Mayor Katherine Jonson", "Mayor"),
    ]
    result = score(given, TRUTH)
    assert (result["found"], result["missed"], result["wrong"]) == (2, 1, 3)
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH), "utf-8")
    line = truth_line(given, tmp_path / "truth.json")
    assert line.endswith("precision 0.40 (3 false alarms), recall 0.67 (2 of 3 found)")


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("54", "45", "number: 54 → 45"),
        ("Jonson", None, "number: Jonson"),
        ("the", "", "number: the"),
        ("", "not", "number: not"),
        ("", None, "number"),
    ],
)
def test_a_suspicion_says_what_stands_there_and_what_should(wrong: str, right: str | None, told: str) -> None:
    assert suspicion(finding(0, "x", wrong, right=right)) == told


def test_long_captions_are_wrapped_and_nothing_is_cut(screen: Terminal) -> None:
    text = "新しい橋の公示は3月15日に始まります。週末は各地で雪が降り、気温が下がる見込みです。"
    lines = wrapped_table(("TIME", "CAPTION"), [("0:14", text), ("0:20", "short")], screen)
    assert all(width(line) <= 60 for line in lines)
    assert "".join(line[4:].strip() for line in lines[1:-1]) == text
    assert lines[-1].split() == ["0:20", "short"]


def test_words_are_wrapped_between_words() -> None:
    assert wrap("The whether will be cold", 12) == ["The whether", "will be cold"]
    assert wrap("", 5) == [""]


def test_the_time_of_an_interrupted_run_leaves_out_the_interruption_and_what_was_lost_in_it() -> None:
    parts = spans((100, 104), (2, 6))
    attempts = [*spans((0, 7)), *parts]
    smooth = Timing(whole=(at(2), at(9)), parts=spans((2, 6), (3, 9)), attempts=spans((2, 6), (3, 9)))
    assert timing_line(smooth, 2).startswith("7.0 s from start to end")
    told = timing_line(Timing(whole=(at(0), at(105)), parts=parts, attempts=attempts), 2)
    assert told.startswith("11.0 s at work")
    assert "one after another: 8.0 s" in told


def test_lists_of_words_are_handed_in_beside_the_video(tmp_path: Path) -> None:
    video, terms = tmp_path / "v.mp4", tmp_path / "terms.csv"
    video.write_bytes(b"v")
    terms.write_bytes(b"t")
    clip = chosen(video=video, glossary=terms)
    assert (clip.glossary, clip.ng_words) == (terms, None)
    with pytest.raises(UsageError, match=r"--ng-words: v\.mp4 is not a \.csv file"):
        chosen(video=video, ng_words=video)


def test_a_gate_is_closed_by_findings_and_by_a_report_that_is_not_complete() -> None:
    assert gate({"findings": []}) == 0
    assert gate({"findings": [{}]}) == 3
    assert gate({"findings": [], "missing": [{}]}) == 3
