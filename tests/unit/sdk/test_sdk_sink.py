import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako_sdk import (
    ObjectNotFound,
    SinkError,
    Task,
    checkpoint,
    encode_json,
    get_json,
    put_json,
    sink,
)


@pytest.fixture
def place(tmp_path):
    return sink(f"{tmp_path.as_uri()}/out")


def everything_under(path: Path) -> list[str]:
    return sorted(str(found.relative_to(path)) for found in path.rglob("*") if found.is_file())


def test_what_was_put_is_got_and_listed(place):
    assert place.put("a/b.json", b"1") is True
    assert place.get("a/b.json") == b"1"
    assert place.exists("a/b.json")
    assert list(place.list()) == ["a/b.json"]


def test_putting_again_replaces(place, tmp_path):
    place.put("a", b"1")
    place.put("a", b"2")
    assert place.get("a") == b"2"
    assert everything_under(tmp_path) == ["out/a"]


def test_put_if_absent_keeps_the_first(place, tmp_path):
    assert place.put("a", b"1", if_absent=True) is True
    assert place.put("a", b"2", if_absent=True) is False
    with place.writer("a", if_absent=True) as writer:
        writer.file.write(b"3")
    assert writer.published is False
    assert place.get("a") == b"1"
    assert everything_under(tmp_path) == ["out/a"]


def test_of_many_that_race_to_create_exactly_one_wins(place, side_by_side):
    barrier = threading.Barrier(8)
    won = []

    def create(number):
        with place.writer("record", if_absent=True) as writer:
            writer.file.write(b"%d" % number)
            barrier.wait(10)
        if writer.published:
            won.append(number)

    side_by_side(8, create)
    assert len(won) == 1
    assert place.get("record") == b"%d" % won[0]


def test_a_writer_that_fails_leaves_nothing(place, tmp_path):
    def fail() -> None:
        with place.writer("a/b") as writer:
            writer.file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not place.exists("a/b")
    assert everything_under(tmp_path) == []


def test_the_content_may_decide_on_the_name(place, tmp_path):
    with place.writer("uploads/video") as writer:
        writer.file.write(b"12")
        writer.name = "videos/2-bytes"
    assert everything_under(tmp_path) == ["out/videos/2-bytes"]


def test_a_name_chosen_late_is_checked_too(place, tmp_path):
    def escape() -> None:
        with place.writer("uploads/video") as writer:
            writer.name = "../escaped"

    with pytest.raises(SinkError):
        escape()
    assert everything_under(tmp_path) == []


WRITE_AND_WAIT = """
import sys
from jubako_sdk import sink
with sink(sys.argv[1]).writer("a/b") as writer:
    writer.file.write(b"half")
    writer.file.flush()
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_writer_left_is_never_seen_and_goes_at_the_next_write(tmp_path):
    place = sink(str(tmp_path))
    command = [sys.executable, "-c", WRITE_AND_WAIT, place.uri]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        place.put("a/c", b"while it lives")
        assert len(everything_under(tmp_path)) == 2, "the partial file of a living writer must stay"
        writer.kill()
    assert not place.exists("a/b")
    assert list(sink(str(tmp_path)).list()) == ["a/c"]
    assert everything_under(tmp_path) == ["a/c"]


def test_a_fresh_writer_removes_leftovers_in_its_directory(place, tmp_path):
    place.put("a/one", b"")
    (tmp_path / "out/a/.partial-1-dead").write_bytes(b"half")
    sink(place.uri).put("a/two", b"")
    assert everything_under(tmp_path) == ["out/a/one", "out/a/two"]


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "nul\0", "new\nline", "a\\b", "\ud800",
     ".partial-1-x", "a/.partial-", "x" * 201, "é" * 150, "/".join(["x" * 100] * 11)],
)  # fmt: skip
def test_a_name_that_could_leave_the_place_or_confuse_it_is_refused(place, tmp_path, name):
    for call in (place.get, place.exists, place.delete, place.local_path, lambda name: place.put(name, b"")):
        with pytest.raises(SinkError):
            call(name)
    assert everything_under(tmp_path) == []


@given(st.text())
def test_no_name_whatever_reaches_outside(tmp_path_factory, name):
    root = tmp_path_factory.getbasetemp() / "outside"
    place = sink(str(root / "inside"))
    try:
        place.put(name, b"x")
        assert place.get(name) == b"x"
        assert name in list(place.list())
        assert place.delete(name)
    except SinkError:
        pass
    assert everything_under(root) == []


def test_absent_objects_are_said_to_be_absent(place):
    place.put("a/b", b"")
    for name in ("x", "a", "a/b/c"):
        assert not place.exists(name)
        assert place.delete(name) is False
        with pytest.raises(ObjectNotFound, match="there is no object"):
            place.get(name)
        with pytest.raises(ObjectNotFound):
            place.local_path(name)


def test_an_object_cannot_lie_under_another(place):
    place.put("a/b", b"")
    with pytest.raises(SinkError, match="under"):
        place.put("a/b/c", b"")
    with pytest.raises(SinkError, match="under"):
        place.put("a", b"")


def test_listing_is_by_prefix_and_in_order(place):
    for name in ("r/2/x", "r/1/b", "r/1/a", "r/10/a", "s"):
        place.put(name, b"")
    assert list(place.list("r/1")) == ["r/1/a", "r/1/b", "r/10/a"]
    assert list(place.list("r/1/")) == ["r/1/a", "r/1/b"]
    assert list(place.list("nothing/")) == []


def test_folders_are_told_without_listing_what_is_in_them(place):
    for name in ("r/2/x/y", "r/1/a", "r/file", "s/3/a"):
        place.put(name, b"")
    assert list(place.folders("r/")) == ["1", "2"]
    assert list(place.folders("nothing/")) == []
    assert list(place.folders("r/file/")) == []


def test_deleting_takes_empty_directories_along_but_not_the_place(place, tmp_path):
    place.put("a/b/c", b"")
    place.put("a/d", b"")
    assert place.delete("a/b/c")
    assert sorted(entry.name for entry in (tmp_path / "out/a").iterdir()) == ["d"]
    assert place.delete("a/d")
    assert (tmp_path / "out").is_dir()


def test_equal_values_give_equal_bytes_and_nan_is_refused(place):
    assert encode_json({"b": "収穫", "a": 1}) == encode_json({"a": 1, "b": "収穫"})
    put_json(place, "x.json", {"b": "収穫"})
    assert get_json(place, "x.json") == {"b": "収穫"}
    with pytest.raises(ValueError, match="Out of range"):
        encode_json(float("nan"))


def test_an_object_that_is_not_json_says_so(place):
    place.put("x.json", b"{")
    with pytest.raises(SinkError, match="not JSON"):
        get_json(place, "x.json")


@pytest.mark.parametrize("uri", ["s3://bucket", "file://otherhost/x", "file:///x?y", "https://x/"])
def test_places_that_cannot_be_written_are_refused_with_the_reason(uri):
    with pytest.raises(SinkError, match="file:"):
        sink(uri)


def test_the_place_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("OUTPUT_URI", raising=False)
    with pytest.raises(SinkError, match="OUTPUT_URI"):
        sink()
    monkeypatch.setenv("OUTPUT_URI", f"{tmp_path.as_uri()}/with%20space")
    sink().put("a", b"")
    assert everything_under(tmp_path) == ["with space/a"]


def test_a_retry_finds_what_the_attempt_before_saved(place):
    first = Task(job="j", execution="e", index=2, count=3, attempt=0)
    checkpoint(place=place, task=first).save({"frame": 12})
    again = checkpoint(place=place, task=Task(job="j", execution="e", index=2, count=3, attempt=1))
    assert again.load() == {"frame": 12}
    assert checkpoint(place=place, task=Task(job="j", execution="e", index=1, count=3)).load("none") == "none"
    again.clear()
    assert again.load() is None
