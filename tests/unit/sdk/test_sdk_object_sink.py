"""Objects of a bucket over a real socket: written once however often, whatever becomes of the answers."""

import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jubako_sdk import (
    ObjectNotFound,
    SinkError,
    Task,
    checkpoint,
    encode_json,
    put_json,
    put_once,
    shard,
    sink,
)
from jubako_sdk.object_sink import ObjectSink
from jubako_sdk.storage_api import StorageApi

QUICK = (0.001,) * 3


def sink_in(bucket, uri="gs://results/run", **options):
    return ObjectSink(uri, StorageApi(bucket.address, **{"pauses_s": QUICK, "timeout_s": 5.0, **options}))


@pytest.fixture
def place(bucket):
    return sink_in(bucket)


def test_what_was_put_is_got_listed_and_deleted(place, bucket):
    assert place.put("a/b c?#%.json", b"1") is True
    assert place.put("a/b c?#%.json", b"22") is True
    assert place.get("a/b c?#%.json") == b"22"
    assert place.exists("a/b c?#%.json")
    assert list(place.list()) == ["a/b c?#%.json"]
    assert bucket.contents() == {"run/a/b c?#%.json": b"22"}
    assert place.delete("a/b c?#%.json") is True
    assert place.delete("a/b c?#%.json") is False
    assert bucket.contents() == {}


def test_put_if_absent_keeps_the_first(place, bucket):
    assert place.put("a", b"1", if_absent=True) is True
    assert place.put("a", b"1", if_absent=True) is False
    assert place.put("a", b"2", if_absent=True) is False
    with place.writer("a", if_absent=True) as writer:
        writer.file.write(b"3")
    assert writer.published is False
    assert bucket.contents() == {"run/a": b"1"}


@pytest.mark.parametrize("has_hashes", [True, False])
def test_an_object_that_is_made_once_may_be_made_again_but_not_differently(place, bucket, has_hashes):
    bucket.has_hashes = has_hashes
    assert put_once(place, "a", b"12") is True
    assert put_once(place, "a", b"12") is False
    for other in (b"34", b"123"):
        with pytest.raises(SinkError, match="'a' is in gs://results/run already, with other content"):
            put_once(place, "a", other)
    assert place.get("a") == b"12"


def test_the_directory_knows_making_once_too(tmp_path):
    place = sink(str(tmp_path))
    assert [put_once(place, "a", b"12") for _ in range(2)] == [True, False]
    with pytest.raises(SinkError, match="other content"):
        put_once(place, "a", b"34")


def test_of_many_that_race_to_create_exactly_one_wins(place, bucket, side_by_side):
    bucket.faults.extend(["lose", 503, "drop", "lose", 429])
    barrier, won = threading.Barrier(8), []

    def create(number):
        barrier.wait(10)
        if sink_in(bucket).put("record", b"%d" % number, if_absent=True):
            won.append(number)

    side_by_side(8, create)
    assert len(won) == 1
    assert place.get("record") == b"%d" % won[0]


@pytest.mark.parametrize("fault", [408, 429, 500, 503, "drop", "lose", "cut"])
def test_what_goes_wrong_once_is_done_again(place, bucket, fault):
    for name, options in (("over", {}), ("once", {"if_absent": True})):
        bucket.faults.append(fault)
        assert place.put(name, b"1", **options) is True
        bucket.faults.append(fault)
        assert place.get(name) == b"1"
    bucket.faults.append(fault)
    assert place.delete("over") is True
    assert bucket.contents() == {"run/once": b"1"}


def test_an_upload_whose_answer_was_lost_does_not_claim_the_object_of_another(place, bucket):
    place.put("a", b"same")
    bucket.faults.append("drop")
    assert place.put("a", b"same", if_absent=True) is False
    bucket.faults.extend(["drop", "", 404])
    assert place.put("a", b"same", if_absent=True) is False, "removed while it was compared"


def test_an_answer_that_does_not_come_is_waited_for_so_long_only(bucket):
    place = sink_in(bucket, timeout_s=0.5)
    bucket.faults.append("stall")
    assert place.put("a", b"1", if_absent=True) is True
    assert len([method for method, _, _ in bucket.seen if method == "POST"]) > 1


@pytest.mark.parametrize(("fault", "reason"), [(503, "HTTP 503, not now"), ("drop", "no answer")])
def test_what_keeps_going_wrong_is_an_error_that_says_what_and_how_often(place, bucket, fault, reason):
    bucket.faults.extend([fault] * 4)
    with pytest.raises(SinkError, match=f"POST http://.*name=run%2Fa.*: {reason}.*, tried 4 times"):
        place.put("a", b"1")
    assert not bucket.faults
    assert bucket.contents() == {}


def test_a_refusal_is_not_tried_again(place, bucket):
    bucket.faults.append(403)
    with pytest.raises(SinkError, match=r"HTTP 403, not now$"):
        place.put("a", b"1")
    assert len(bucket.seen) == 1
    with pytest.raises(SinkError, match="HTTP 404, The specified bucket does not exist"):
        sink_in(bucket, "gs://elsewhere").put("a", b"1")


def test_nobody_there_is_an_error_too():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = ObjectSink("gs://results", StorageApi(f"127.0.0.1:{closed.getsockname()[1]}", pauses_s=QUICK))
        with pytest.raises(SinkError, match=r"no answer \(.*refused\), tried 4 times"):
            place.exists("a")


def test_a_writer_that_fails_leaves_nothing_and_a_large_one_comes_whole(place, bucket):
    def fail() -> None:
        with place.writer("a/b") as writer:
            writer.file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert bucket.seen == []
    bucket.faults.extend(["lose", 503])
    with place.writer("uploads/video", if_absent=True) as writer:
        for number in range(40):
            writer.file.write(bytes([number]) * 100_000)
        writer.name = "videos/40"
    assert writer.published is True
    assert bucket.contents() == {"run/videos/40": b"".join(bytes([n]) * 100_000 for n in range(40))}


def test_a_local_copy_is_of_what_is_there_now_and_goes_with_the_sink(place, bucket):
    place.put("videos/a.mp4", b"first" * 50_000)
    bucket.faults.extend(["", "cut"])
    path = Path(place.local_path("videos/a.mp4"))
    assert (path.name, path.read_bytes()) == ("a.mp4", b"first" * 50_000)
    assert place.local_path("videos/a.mp4") == str(path)
    place.put("videos/a.mp4", b"second")
    assert Path(place.local_path("videos/a.mp4")).read_bytes() == b"second"
    folder = path.parents[1]
    assert len(list(folder.iterdir())) == 2
    own = sink_in(bucket)
    gone = Path(own.local_path("videos/a.mp4")).parents[1]
    del own
    assert not gone.exists()


def test_absent_objects_are_said_to_be_absent(place):
    assert not place.exists("x")
    for call in (place.get, place.local_path, lambda name: place.holds(name, b"")):
        with pytest.raises(ObjectNotFound, match="there is no object 'x' in gs://results/run"):
            call("x")


def test_listing_goes_over_all_pages_and_stays_under_the_place(place, bucket):
    names = [f"r/{number}/{name}" for number in range(5) for name in "ab"]
    for name in (*names, "s"):
        place.put(name, b"")
    sink_in(bucket, "gs://results/running").put("r/9/x", b"")
    sink_in(bucket, "gs://results").put("r/8/x", b"")
    bucket.objects["run/r/"] = (b"", 1, {})  # a folder made by hand
    assert list(place.list("r/")) == names
    assert list(place.list()) == [*names, "s"]
    assert list(place.folders("r/")) == ["0", "1", "2", "3", "4"]
    assert list(place.folders("nothing/")) == []


@pytest.mark.parametrize(
    "name", ["", "/x", "a//b", "../x", "new\nline", "/".join(["x" * 100] * 10) + "x" * 14]
)
def test_names_that_cannot_be_are_refused_before_anything_is_sent(place, bucket, name):
    for call in (place.get, place.exists, place.delete, lambda name: place.put(name, b"")):
        with pytest.raises(SinkError, match="object name"):
            call(name)
    assert bucket.seen == []


@pytest.mark.parametrize(
    "uri", ["gs://", "gs:///x", "gs://UPPER", "gs://a/b", "gs://bucket?x/y", "gs://results/../x"]
)
def test_places_that_are_no_bucket_are_refused(uri):
    with pytest.raises(SinkError, match="name"):
        sink(uri)


def test_the_emulator_of_the_environment_is_asked_without_credentials(bucket, monkeypatch):
    monkeypatch.setenv("OUTPUT_URI", "gs://results/run/")
    for address in (bucket.address, f"http://{bucket.address}/"):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        assert sink().put("a", b"1")
    assert {token for _, _, token in bucket.seen} == {None}
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "ftp://x")
    with pytest.raises(SinkError, match="STORAGE_EMULATOR_HOST is 'ftp://x'"):
        sink()


def test_elsewhere_each_call_carries_the_token_which_is_fetched_once(bucket, monkeypatch):
    monkeypatch.setenv("GCE_METADATA_HOST", bucket.address)
    place = sink_in(bucket, has_token=True)
    bucket.faults.append(503)
    for name in "ab":
        place.put(name, b"1")
    assert [token for _, _, token in bucket.seen] == [None, None, "Bearer secret", "Bearer secret"]
    bucket.faults.append(404)
    with pytest.raises(
        SinkError, match=f"the metadata server at {bucket.address} gives no token: HTTP 404, not now"
    ):
        sink_in(bucket, has_token=True).get("a")


def test_a_retry_finds_what_the_attempt_before_saved(place):
    checkpoint(place=place, task=Task(job="j", execution="e", index=2, count=3)).save({"frame": 12})
    again = checkpoint(place=place, task=Task(job="j", execution="e", index=2, count=3, attempt=1))
    assert again.load() == {"frame": 12}
    again.clear()
    assert again.load() is None


ITEMS = range(6)


def writes_of(index: int, place: ObjectSink):
    """One attempt of a task, which may be let go after any step."""
    for item in shard(ITEMS, Task(index=index, count=3)):
        put_json(place, f"results/{item}.json", {"item": item})
        yield
        put_once(place, f"once/{item}", b"%d" % item)
        yield


@settings(max_examples=40, deadline=None)
@given(
    turns=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=30),
    faults=st.lists(st.sampled_from(["", 503, 429, "drop", "lose", "cut"]), max_size=12),
)
def test_shards_converge_in_any_order_repeated_and_broken_off_anywhere(bucket_server, turns, faults):
    bucket_server.objects.clear()
    bucket_server.faults.clear()
    bucket_server.faults.extend(faults)
    place = sink_in(bucket_server, pauses_s=(0.0,) * 12)
    attempts = {(index, attempt): writes_of(index, place) for index in range(3) for attempt in range(3)}
    for turn in turns:  # attempts of one task side by side, each ended by the end of the list
        next(attempts[turn], None)
    for index in range(3):
        assert len(list(writes_of(index, place))) == 4
    assert bucket_server.contents() == {
        **{f"run/results/{item}.json": encode_json({"item": item}) for item in ITEMS},
        **{f"run/once/{item}": b"%d" % item for item in ITEMS},
    }
