"""What the demo shows and sends, without a server."""

import argparse
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jubako.cli.demo.board import Board, compressed, frame, sentence
from jubako.cli.demo.clip import chosen_clip
from jubako.cli.demo.deployment import Application, _Change, _job
from jubako.cli.demo.watch import Branch, Shard, Snapshot
from jubako.cli.errors import UsageError
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


def test_the_parts_one_after_another_are_the_sum_and_side_by_side_the_union() -> None:
    seen = snapshot([shard(0, 0, 4), shard(1, 1, 6), shard(2, 10, 12), shard(3, 5)], [shard(0, 0, 3)])
    assert seen.one_after_another() == timedelta(seconds=4 + 5 + 2 + 3)
    assert seen.side_by_side() == timedelta(seconds=6 + 2)


def test_the_picture_fits_the_terminal_and_shows_a_cell_for_each_shard(screen: Terminal) -> None:
    shards = [shard(0, 0, 4), shard(1, 4), shard(2, 4, state="Retrying"), shard(3)]
    lines = frame(snapshot(shards), screen)
    assert all(width(line) < 60 for line in lines)
    assert "1/4" in lines[2]
    assert lines[2].endswith("■▶↻·")
    assert lines[3].endswith("·")


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
    flags = {"video": None, "script": None, "lang": "en", "segment_seconds": None} | given
    return chosen_clip(argparse.Namespace(**flags))


def test_a_file_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    video, script = tmp_path / "a.mp4", tmp_path / "a.srt"
    video.write_bytes(b"x")
    script.write_text("hello")
    clip = chosen(video=video, script=script, lang="ja")
    assert (clip.video, clip.script, clip.language, clip.segment_seconds) == (video, script, "ja", None)


def test_files_that_cannot_be_read_or_used_are_refused_by_flag(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--video"):
        chosen(video=tmp_path / "none.mp4")
    document = tmp_path / "a.docx"
    document.write_bytes(b"x")
    with pytest.raises(UsageError, match="--script"):
        chosen(video=document, script=document)
