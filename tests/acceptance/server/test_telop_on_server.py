"""The telop application on a real server: refusals, failures, cancel, and shards that are run again."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import PARENT, ApiError, ServerProcess
from jubako.testing.telop import TelopOnServer, first_seconds

pytest.importorskip("av", reason="needs the telop extra")
pytest.importorskip("rapidocr", reason="needs the telop extra")
pytest.importorskip("starlette", reason="needs the telop extra")

CLIPS = Path(__file__).parents[3] / "src/jubako_apps/telop/clips"
SECONDS = 14.0
PATIENCE_S = 240.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("telop") / "state") as server:
        yield server


@pytest.fixture(scope="module")
def telop(server: ServerProcess) -> TelopOnServer:
    return TelopOnServer(server)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the first seconds of the bundled clip, cut without re-encoding."""
    return first_seconds(CLIPS / "en.mp4", tmp_path_factory.mktemp("clip") / "short.mp4", SECONDS)


def until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    pause, deadline = threading.Event(), time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        pause.wait(0.1)
    return value


def ended(telop: TelopOnServer, reception: str) -> dict[str, Any]:
    def final() -> dict[str, Any] | None:
        view = telop.look(reception)
        return view if view["state"] in {"SUCCEEDED", "FAILED", "CANCELLED"} else None

    found: dict[str, Any] = until(final)
    return found


def processes_of(reception: str) -> list[int]:
    """Return the pids of the live processes that were started for a reception."""
    mark, found = f"RECEPTION_ID={reception}".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:  # it has gone, or is not ours
                continue
    return found


def digests(folder: Path) -> dict[str, str]:
    """Return what is published for a reception, but for the files that tell how long it took."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "timing" not in str(path.relative_to(folder))
    }


def test_a_shard_or_all_of_them_run_again_change_nothing(telop: TelopOnServer, clip: Path) -> None:
    view = telop.submit(clip, script=str(CLIPS / "en.srt"), language="en", segment_seconds=6)
    assert ended(telop, view["id"])["state"] == "SUCCEEDED"
    folder = telop.output / "receptions" / view["id"]
    before = digests(folder)
    assert any(name.startswith("ocr/") for name in before)
    telop.run_job("telop-report", view["id"])  # with all results there
    assert digests(folder) == before
    telop.forget_results(view["id"])
    assert digests(folder) != before
    for job, overrides in (
        ("telop-ocr", {"taskCount": view["branches"]["ocr"]["total"]}),
        ("telop-speech", {}),
        ("telop-report", {}),
    ):
        assert telop.run_job(job, view["id"], **overrides).get("failedCount") is None
    assert digests(folder) == before
    again = telop.submit(clip, script=str(CLIPS / "en.srt"), language="en", segment_seconds=6)
    assert (again["id"], again["state"]) == (view["id"], "SUCCEEDED")


def test_cancelling_ends_every_process_of_the_run_within_the_grace_time(
    telop: TelopOnServer, clip: Path
) -> None:
    view = telop.submit(clip, language="en", segment_seconds=5)
    until(lambda: len(processes_of(view["id"])) >= 2)
    telop.cancel(view["id"])
    until(lambda: not processes_of(view["id"]), 15.0)
    assert ended(telop, view["id"])["state"] == "CANCELLED"
    for job in ("telop-ocr", "telop-speech"):
        for execution in telop.server.get(f"/v2/{PARENT}/jobs/{job}/executions")["executions"]:
            assert not execution.get("runningCount")


def test_what_is_cut_off_in_the_middle_is_refused(telop: TelopOnServer, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    whole = (CLIPS / "en.mp4").read_bytes()
    cut.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(ApiError, match=r"cut\.mp4") as refused:
        telop.submit(cut, language="en", segment_seconds=10)
    assert refused.value.http_status == 422
    assert telop.server.get("/healthz") == {"status": "ok"}


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 422), (b"this is no video\n" * 50, 422)], ids=["empty", "text"]
)
def test_what_is_no_video_is_refused_and_leaves_nothing(
    telop: TelopOnServer, tmp_path: Path, content: bytes, status: int
) -> None:
    file = tmp_path / "bad.mp4"
    file.write_bytes(content)
    before = sorted(path.name for path in telop.output.rglob("*"))
    with pytest.raises(ApiError) as refused:
        telop.submit(file, language="en")
    assert refused.value.http_status == status
    assert sorted(path.name for path in telop.output.rglob("*")) == before


def test_a_reception_that_does_not_exist_and_a_file_that_does_not(
    telop: TelopOnServer, tmp_path: Path
) -> None:
    with pytest.raises(ApiError, match="404"):
        telop.look("r-nothing")
    with pytest.raises(ApiError, match="no such file"):
        telop.submit(tmp_path / "missing.mp4", language="en")
