"""Reading what tasks wrote."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jubako.boxes.jobs import retention
from jubako.core.timestamps import to_micros
from jubako.runtime.port import Reason
from jubako.telemetry import log_lines
from jubako.telemetry import outputs as logs
from jubako.telemetry.outputs import Outputs, Source
from jubako.testing.runtime import exited

PARENT = "projects/p/locations/l"


def write(
    folder: Path, marks: Sequence[tuple[int, int, int]] = (), stdout: bytes = b"", stderr: bytes = b""
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stdout").write_bytes(stdout)
    (folder / "stderr").write_bytes(stderr)
    (folder / "index").unlink(missing_ok=True)  # of another example in the same folder
    if marks:
        index = b"".join(b'{"t":%d,"o":%d,"e":%d}\n' % mark for mark in marks)
        (folder / "index").write_bytes(index)


class Ran:
    """One execution whose tasks have all started; the tests write what they say."""

    def __init__(self, box: Any, execution: dict[str, Any]) -> None:
        self.box = box
        self.name = execution["name"]
        self.folder = box.output_root / execution["uid"]
        self.now = to_micros(box.clock.now())

    def task(self, index: int, part: str = "") -> str:
        return f"{self.name}/tasks/{self.name.rsplit('/', 1)[1]}-task{index}{part}"

    async def texts(self, query: str = "") -> list[str]:
        found = await self.box.extra_json(f"{self.name}/logs", query)
        return [entry.get("textPayload") or entry["jsonPayload"]["message"] for entry in found["entries"]]

    async def finish(self) -> None:
        while self.box.runtime.live:
            self.box.runtime.finish(next(iter(self.box.runtime.live)))
        await self.box.settle()


@pytest.fixture
async def ran(box: Any) -> Ran:
    await box.create(taskCount=2, parallelism=2, task={"maxRetries": 1})
    execution = (await box.run())["metadata"]
    await box.settle()
    return Ran(box, execution)


async def test_no_output_and_lost_output_and_not_started_are_different_answers(box: Any, ran: Ran) -> None:
    write(ran.folder / "0-0")
    first = await box.extra(ran.task(0, "/logs"), "alt=media")
    assert (first.status, first.body, first.headers["x-jubako-log-status"]) == (200, b"", "EMPTY")
    box.runtime.finish(next(a for a in box.runtime.live if a.endswith("/1/0")))
    await box.settle()
    second = await box.extra(ran.task(1, "/logs"), "alt=media")
    assert (second.body, second.headers["x-jubako-log-status"]) == (b"", "LOST")
    third = await box.extra(ran.task(0, "/logs"), "alt=media&attempt=1")
    assert third.headers["x-jubako-log-status"] == "NOT_STARTED"
    of_all = await box.extra_json(f"{ran.name}/logs")
    assert of_all["status"] == "EMPTY"
    assert of_all["lost"] == [{"taskIndex": 1, "taskAttempt": 0}]


async def test_bytes_are_read_from_an_offset_and_name_their_size(box: Any, ran: Ran) -> None:
    write(ran.folder / "0-0", stdout=b"0123456789", stderr=b"\xff\x00")
    reply = await box.extra(ran.task(0, "/logs"), "alt=media&offset=3&limit=4")
    assert (reply.body, reply.headers["x-jubako-log-size"]) == (b"3456", "10")
    assert reply.headers["x-content-type-options"] == "nosniff"
    reply = await box.extra(ran.task(0, "/logs"), "alt=media&stream=stderr")
    assert reply.body == b"\xff\x00"
    past_the_end = await box.extra(ran.task(0, "/logs"), "alt=media&offset=99")
    assert (past_the_end.body, past_the_end.headers["x-jubako-log-status"]) == (b"", "AVAILABLE")


async def test_lines_of_all_tasks_come_in_the_order_of_time(box: Any, ran: Ran) -> None:
    t = ran.now
    write(ran.folder / "0-0", [(t + 1, 2, 0), (t + 5, 4, 2)], stdout=b"a\ne\n", stderr=b"f\n")
    write(ran.folder / "1-0", [(t + 2, 2, 0), (t + 3, 2, 2), (t + 4, 4, 2)], stdout=b"b\nd\n", stderr=b"c\n")
    await box.clock.advance(timedelta(seconds=5))
    assert await ran.texts() == [
        "a",
        "b",
        "c",
        "d",
        "f",
        "e",
    ]  # e and f were noted together: by stream's name
    await ran.finish()
    assert await ran.texts("task=1") == ["b", "c", "d"]
    assert await ran.texts("task=0&stream=stderr") == ["f"]


async def test_pages_continue_where_the_last_one_ended_also_in_a_log_that_grows(box: Any, ran: Ran) -> None:
    t = ran.now
    write(ran.folder / "0-0", [(t + 1, 4, 0)], stdout=b"a\nb\n")
    write(ran.folder / "1-0", [(t + 2, 2, 0)], stdout=b"c\n")
    await box.clock.advance(timedelta(seconds=5))
    seen, token, page = [], "", {}
    for _ in range(3):
        page = await box.extra_json(f"{ran.name}/logs", f"pageSize=2&pageToken={token}")
        seen += [entry["textPayload"] for entry in page["entries"]]
        token = page["nextPageToken"]
    assert seen == ["a", "b", "c"]
    assert (page["caughtUp"], page["final"]) == (True, False)
    write(ran.folder / "0-0", [(t + 1, 4, 0), (t + 3, 6, 0)], stdout=b"a\nb\nd\n")
    await ran.finish()
    page = await box.extra_json(f"{ran.name}/logs", f"pageToken={token}")
    assert [entry["textPayload"] for entry in page["entries"]] == ["d"]
    assert page["final"]


async def test_a_line_that_is_being_written_waits_for_its_end_or_the_end_of_the_attempt(
    box: Any, ran: Ran
) -> None:
    write(ran.folder / "0-0", [(ran.now + 1, 6, 0)], stdout=b"a\nhalf")
    write(ran.folder / "1-0")
    await box.clock.advance(timedelta(seconds=5))
    assert await ran.texts() == ["a"]
    await ran.finish()
    assert await ran.texts() == ["a", "half"]


async def test_structured_lines_are_understood_as_cloud_logging_does(box: Any, ran: Ran) -> None:
    lines = [
        {
            "severity": "warning",
            "message": "hot",
            "n": 1,
            log_lines.LABELS_FIELD: {"k": "v"},
            log_lines.TRACE_FIELD: "t",
        },
        {"severity": "INFO", "message": "p", "progress": {"stage": "s", "done": 1, "total": 2}},
        "no object",
    ]
    data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    write(ran.folder / "0-0", [(ran.now + 1, len(data), 0)], stdout=data)
    write(ran.folder / "1-0")
    await ran.finish()
    entries = (await box.extra_json(f"{ran.name}/logs"))["entries"]
    assert entries[0]["severity"] == "WARNING"
    assert entries[0]["jsonPayload"] == {"message": "hot", "n": 1}
    assert entries[0]["trace"] == "t"
    assert entries[0]["labels"]["k"] == "v"
    assert entries[0]["labels"]["run.googleapis.com/task_index"] == "0"
    assert entries[1]["jsonPayload"]["progress"]["done"] == 1
    assert (entries[2]["textPayload"], entries[2]["severity"]) == ('"no object"', "DEFAULT")
    assert len((await box.extra_json(f"{ran.name}/logs", "severity=WARNING"))["entries"]) == 1


@pytest.mark.parametrize(
    "line",
    [b"{", b'{"a":', b"{" * 5_000, b'{"severity": 5, "logging.googleapis.com/labels": 7}', b"\xff\xfe", b""],
)
def test_no_line_is_too_odd_to_read(line: bytes) -> None:
    content = log_lines.read(line)
    assert content.severity == "DEFAULT"
    assert (content.text is None) != (content.payload is None)


async def test_every_attempt_is_listed_with_its_end_and_its_output(box: Any, ran: Ran) -> None:
    write(ran.folder / "0-0", stdout=b"x\n")
    box.runtime.finish(next(a for a in box.runtime.live if a.endswith("/0/0")), exit_code=7)
    await box.settle()
    attempts = (await box.extra_json(ran.task(0, "/attempts")))["attempts"]
    assert [(one["attempt"], one["reason"], one["output"]) for one in attempts] == [
        (0, "EXITED", "AVAILABLE"),
        (1, None, "EMPTY"),
    ]
    assert attempts[0]["result"]["exitCode"] == 7
    box.runtime.finish(next(a for a in box.runtime.live if a.endswith("/0/1")), Reason.TIMEOUT, term_signal=9)
    await box.settle()
    attempts = (await box.extra_json(ran.task(0, "/attempts")))["attempts"]
    assert [one["reason"] for one in attempts] == ["EXITED", "TIMEOUT"]
    assert attempts[1]["result"]["termSignal"] == 9


async def test_a_task_that_was_never_claimed_has_no_attempts(box: Any) -> None:
    await box.create("big", taskCount=600, parallelism=1)
    name = (await box.run("big"))["metadata"]["name"]
    await box.settle()
    await box.call("POST", f"/v2/{name}:cancel", {})
    short = name.rsplit("/", 1)[1]
    assert (await box.extra_json(f"{name}/tasks/{short}-task599/attempts"))["attempts"] == []
    states = (await box.extra_json(f"{name}/taskStates"))["states"]
    assert len(states) == 600
    assert states[0] == "R"
    assert states[-1] == "C"


@pytest.mark.parametrize(
    "query",
    [
        "task=x",
        "task=-1",
        "stream=stdin",
        "severity=LOUD",
        "pageToken=zzz",
        "pageSize=10001",
        "attempt=1.5",
        "pageToken=WzFd",
    ],
)
async def test_a_bad_query_names_its_field(box: Any, ran: Ran, query: str) -> None:
    with pytest.raises(Exception, match=query.partition("=")[0]):
        await box.extra_json(f"{ran.name}/logs", query)


@pytest.mark.parametrize("task", ["5", "hello-task0", "../0"])
async def test_a_task_that_does_not_exist_is_not_found(box: Any, ran: Ran, task: str) -> None:
    with pytest.raises(Exception, match=r"does not exist|none with the index|Nothing is served"):
        await box.extra(f"{ran.name}/tasks/{task}/logs")


async def test_output_of_executions_that_no_longer_exist_is_swept(box: Any, ran: Ran) -> None:
    write(ran.folder / "0-0", stdout=b"kept")
    write(box.output_root / "deleted-uid" / "0-0", stdout=b"orphan")
    assert await retention.sweep(box.store, box.outputs) == ["deleted-uid"]
    assert (ran.folder / "0-0" / "stdout").exists()
    assert not (box.output_root / "deleted-uid").exists()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=30),
    chunk=st.integers(1, 50),
    line_max=st.integers(5, 30),
    looks=st.lists(st.integers(0, 500), max_size=8),
    pages=st.integers(1, 7),
)
@example(lines=[b"x" * 40], chunk=50, line_max=10, looks=[13, 40], pages=2)
@example(lines=[b"x" * 8, b""], chunk=5, line_max=5, looks=[8], pages=1)
def test_no_byte_is_lost_or_shown_twice_however_it_is_cut(
    tmp_path: Path, lines: list[bytes], chunk: int, line_max: int, looks: list[int], pages: int
) -> None:
    data = b"\n".join(lines)
    sizes = sorted({min(look, len(data)) for look in looks} - {0})
    write(tmp_path / "uid" / "0-0", [(100 + n, size, 0) for n, size in enumerate(sizes)], stdout=data)
    source = Source(folder="uid/0-0", index=0, attempt=0, started_us=1, ended_us=10_000)
    before = logs.CHUNK_BYTES, logs.LINE_BYTES_MAX
    logs.CHUNK_BYTES, logs.LINE_BYTES_MAX = chunk, line_max
    try:
        found: list[logs.Line] = []
        while page := Outputs(tmp_path)._lines([source], found[-1].position if found else None, 2**62, pages):
            found += page
    finally:
        logs.CHUNK_BYTES, logs.LINE_BYTES_MAX = before
    offsets = [line.position.offset for line in found]
    assert offsets == sorted(set(offsets))
    times = [line.position.time_us for line in found]
    assert times == sorted(times)
    shown = bytearray(len(data))
    for line in found:
        shown[line.position.offset : line.position.offset + len(line.data)] = line.data
        assert len(line.data) <= line_max
    assert sum(len(line.data) for line in found) + data.count(b"\n") == len(data)
    newlines = [n for n, byte in enumerate(data) if byte == 10]
    for at in newlines:
        assert shown[at] == 0
        shown[at] = 10
    assert bytes(shown) == data


async def test_a_finished_execution_reads_the_same_after_its_attempts_ended(box: Any) -> None:
    box.runtime.outcome = exited(0)
    await box.create("quick")
    execution = (await box.run("quick"))["metadata"]
    await box.settle()
    ran = Ran(box, execution)
    write(ran.folder / "0-0", stdout=b"never noted\n")
    assert await ran.texts() == ["never noted"]
