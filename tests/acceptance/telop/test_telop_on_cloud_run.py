"""The application where there is nothing of Jubako: Cloud Run's variables, Google's addresses, and a directory.

Service and jobs are started with the words of the how-to, as processes that cannot import the platform. Google is
played by a proxy in front of its host names: the metadata server that gives tokens, and the Workflow Executions API.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

for extra in ("av", "rapidocr", "sudachipy"):
    pytest.importorskip(extra)

import av  # noqa: E402

ROOT = Path(__file__).parents[3]
HOWTO = (ROOT / "docs/howto/telop-on-cloud-run.md").read_text("utf-8")
WITHOUT_PLATFORM = """
import runpy, sys
sys.modules["jubako"] = None
module, sys.argv = sys.argv[1], sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
EXECUTIONS = "http://workflowexecutions.googleapis.com/v1/projects/my-project/locations/asia-northeast1/workflows/telop-check/executions"
DEADLINE_S = 60.0


class Google:
    """The metadata server and the executions of one workflow; ``state`` is what the execution is in."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.state = "ACTIVE"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Answers,), {"google": self}))
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Answers(BaseHTTPRequestHandler):
    """What `Google` says."""

    google: Google

    def do_GET(self) -> None:
        if self.path == "/computeMetadata/v1/instance/service-accounts/default/token":
            assert self.headers["Metadata-Flavor"] == "Google"
            return self._answer({"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"})
        return self._api()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == EXECUTIONS:
            self.google.started.append(body)
        self._api()

    def _api(self) -> None:
        is_known = self.path.startswith(EXECUTIONS)
        if not is_known or self.headers["Authorization"] != "Bearer ya29.x":
            self.google.refused.append(f"{self.command} {self.path}")
            return self.send_error(404)
        execution = {"name": EXECUTIONS.split("/v1/")[1] + "/1", "state": self.google.state}
        if self.command == "POST" or self.path.endswith("/1"):
            return self._answer(execution)
        return self._answer({"executions": [execution | one for one in self.google.started]})

    def _answer(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def google() -> Iterator[Google]:
    played = Google()
    yield played
    played.close()


@pytest.fixture
def contract(tmp_path: Path, google: Google) -> dict[str, str]:
    """Return the environment of a container: what the how-to sets, and the way to Google."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OUTPUT_URI": f"file://{tmp_path}/data/telop",
        "GOOGLE_CLOUD_PROJECT": "my-project",
        "GOOGLE_CLOUD_LOCATION": "asia-northeast1",
        "GCE_METADATA_HOST": google.address,
        "HTTP_PROXY": f"http://{google.address}",
        "NO_PROXY": "127.0.0.1",
        # Google's own name; without TLS, which a proxy could not look into.
        "WORKFLOWEXECUTIONS_API_BASE": "http://workflowexecutions.googleapis.com",
    }


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Return the first ten seconds of the Japanese clip, with its script beside it, where the bucket is mounted."""
    place = tmp_path / "in"
    place.mkdir()
    with as_file(files("jubako_apps.telop").joinpath("clips")) as clips:
        shutil.copy(clips / "ja.srt", place / "news.srt")
        with av.open(str(clips / "ja.mp4")) as whole, av.open(str(place / "news.mp4"), "w") as part:
            [pictures] = whole.streams.video
            copied: Any = part.add_stream_from_template(pictures)
            for packet in whole.demux(pictures):
                if packet.dts is not None and packet.dts * packet.time_base < 10:
                    packet.stream = copied
                    part.mux(packet)
    return place / "news.mp4"


def command(module: str, *words: str) -> list[str]:
    return [sys.executable, "-c", WITHOUT_PLATFORM, module, *words]


@dataclass(frozen=True)
class Service:
    """A service that runs: where it answers, and its process."""

    url: str
    pid: int

    def memory_peak(self) -> int:
        """Return how many bytes of memory it has had at most."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


@pytest.fixture
def service(contract: dict[str, str], video: Path) -> Iterator[Service]:
    """Start the service as its container does."""
    [words] = re.findall(r"--command=python --args=-m,(jubako_apps\.telop\.service)\n", HOWTO)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {
        "K_SERVICE": "telop",
        "K_REVISION": "telop-00001-abc",
        "K_CONFIGURATION": "telop",
        "PORT": str(port),
    }
    more = {
        "TELOP_HOST": "0.0.0.0",
        "TELOP_BUCKETS": f"b={video.parent}",
        "TELOP_INPUT_ROOT": str(video.parent),
    }
    process = subprocess.Popen(command(words), env=contract | given | more)
    try:
        yield Service(url=f"http://127.0.0.1:{port}", pid=process.pid)
    finally:
        process.terminate()
        process.wait(10)


def call(url: str, body: object = None) -> Any:
    """Return the answer's JSON; wait for a service that is still starting."""
    data = None if body is None else json.dumps(body).encode()
    deadline = time.monotonic() + DEADLINE_S
    while True:
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            assert time.monotonic() < deadline
            threading.Event().wait(0.1)


def execute(job: str, count: int, contract: dict[str, str], reception: str) -> None:
    """Run all tasks of a job, as one execution on Cloud Run does."""
    [words] = re.findall(r"--command=python --args=-m,(jubako_apps\.telop\.tasks),\$task\n", HOWTO)
    for index in range(count):
        given = {
            "CLOUD_RUN_JOB": f"telop-{job}",
            "CLOUD_RUN_EXECUTION": f"telop-{job}-x7k2p",
            "CLOUD_RUN_TASK_INDEX": str(index),
            "CLOUD_RUN_TASK_COUNT": str(count),
            "CLOUD_RUN_TASK_ATTEMPT": "0",
            "RECEPTION_ID": reception,
        }
        done = subprocess.run(
            command(words, job), env=contract | given, capture_output=True, timeout=DEADLINE_S, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        for line in done.stdout.splitlines():
            assert json.loads(line)["severity"], line


@pytest.mark.slow
def test_service_and_jobs_run_with_the_variables_of_cloud_run_and_nothing_of_the_platform(
    google, contract, service
):
    wish = {"bucket": "b", "object": "news.mp4", "language": "ja", "segment_seconds": 5}
    wish["script"] = contract["HOME"] + "/in/news.srt"
    reception = call(f"{service.url}/videos", wish)
    assert reception["state"] == "RUNNING"
    [started] = google.started
    given = json.loads(started["argument"])
    assert (given["reception"], given["ocr_tasks"], given["speech_tasks"]) == (reception["id"], 2, 1)
    for job, count in (("ocr", given["ocr_tasks"]), ("speech", given["speech_tasks"]), ("report", 1)):
        execute(job, count, contract, reception["id"])
    google.state = "SUCCEEDED"
    ended = call(f"{service.url}/receptions/{reception['id']}")
    assert (ended["state"], ended["missing"], ended["progress"]) == ("SUCCEEDED", [], 1.0)
    report = call(f"{service.url}/receptions/{reception['id']}/report.json")
    assert "45億" in [finding["right"] for finding in report["findings"]]
    assert google.refused == []


@pytest.mark.parametrize("job", ["ocr", "speech", "report"])
def test_a_job_that_is_told_nothing_says_what_it_misses(contract, job):
    given = {key: value for key, value in contract.items() if key != "OUTPUT_URI"}
    done = subprocess.run(
        command("jubako_apps.telop.tasks", job),
        env=given,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 64
    assert "OUTPUT_URI" in done.stdout.decode()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.slow
def test_an_upload_is_never_held_in_memory_and_what_is_refused_leaves_nothing(contract, service):
    assert call(f"{service.url}/healthz") == {"status": "ok"}
    before, sent = service.memory_peak(), 400 * 1024 * 1024
    block = bytes(1024 * 1024)
    request = urllib.request.Request(
        f"{service.url}/videos?name=zero.mp4",
        (block for _ in range(sent // len(block))),
        {"Content-Type": "video/mp4"},
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=DEADLINE_S)
    with refused.value as answer:
        assert (answer.code, "not a video file" in answer.read().decode()) == (422, True)
    assert service.memory_peak() - before < 100 * 1024 * 1024
    assert [path for path in Path(contract["HOME"], "data").rglob("*") if path.is_file()] == []
