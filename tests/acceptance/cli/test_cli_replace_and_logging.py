"""Files that make jobs and services, and the logs of both, against a real server."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from jubako.testing.server import ServerProcess

JOB = """\
apiVersion: run.googleapis.com/v1
kind: Job
metadata:
  name: written
spec:
  template:
    spec:
      taskCount: 2
      template:
        spec:
          maxRetries: 0
          containers:
          - image: local
            command: [sh]
            args: ['-c', 'echo said $CLOUD_RUN_TASK_INDEX']
"""


def jubako(server: ServerProcess, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "JUBAKO_SERVER": server.address}
    argv = [sys.executable, "-m", "jubako", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_a_file_makes_a_job_and_replaces_it_and_its_logs_are_found(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    with ServerProcess(tmp_path / "state") as server:
        file.write_text(JOB)
        assert "created" in jubako(server, "run", "jobs", "replace", str(file)).stderr
        file.write_text(JOB.replace("taskCount: 2", "taskCount: 3"))
        assert "replaced" in jubako(server, "run", "jobs", "replace", str(file)).stderr
        described = jubako(server, "run", "jobs", "describe", "written", "--format", "json")
        assert json.loads(described.stdout)["template"]["taskCount"] == 3
        assert jubako(server, "run", "jobs", "execute", "written", "--wait").returncode == 0
        read = jubako(server, "logging", "read", "resource.labels.job_name = written", "--order", "asc")
        assert sorted(line.split("/", 1)[1] for line in read.stdout.splitlines()) == [
            "0 said 0",
            "1 said 1",
            "2 said 2",
        ]
        refused = jubako(server, "logging", "read", "a = b")
        assert (refused.returncode, "no field" in refused.stderr) == (1, True)
        file.write_text("kind: Service\nmetadata: {name: x}\n")
        assert jubako(server, "run", "jobs", "replace", str(file)).returncode == 2


SERVICE = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: written
spec:
  template:
    spec:
      containers:
      - image: local
        command: [PYTHON]
        args: ['-u', '-c', 'PROGRAM']
"""
PROGRAM = (
    "import http.server,os,sys;"
    "H=type(str(),(http.server.BaseHTTPRequestHandler,),dict(do_GET=lambda s:(print(s.path),s.send_error(404))));"
    "http.server.HTTPServer((str(),int(os.environ[chr(80)+chr(79)+chr(82)+chr(84)])),H).serve_forever()"
)


@pytest.mark.slow
def test_a_file_makes_a_service_and_its_logs_are_read_and_followed(tmp_path: Path) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(SERVICE.replace("PYTHON", sys.executable).replace("PROGRAM", PROGRAM))
    with ServerProcess(tmp_path / "state") as server:
        assert "created" in jubako(server, "run", "services", "replace", str(file)).stderr
        assert "replaced" in jubako(server, "run", "services", "replace", str(file)).stderr
        ask(server, "first")
        read = jubako(server, "run", "services", "logs", "read", "written", "--log-filter", "first NOT GET")
        assert read.stdout.endswith(" /first\n"), read.stderr
        argv = [sys.executable, "-u", "-m", "jubako", "run", "services", "logs", "tail", "written"]
        argv += ["--log-filter", 'log_id("run.googleapis.com/stdout")']
        environ = {**os.environ, "JUBAKO_SERVER": server.address}
        with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True) as tail:
            watchdog = threading.Timer(60, tail.kill)
            watchdog.start()
            assert tail.stdout is not None
            # What is written before it looks is not told, so write until it tells.
            for number in range(100):
                ask(server, f"n{number}")
                readable, _, _ = select.select([tail.stdout], [], [], 0.3)
                if readable:
                    break
            assert "/n" in tail.stdout.readline()
            tail.send_signal(signal.SIGINT)
            assert tail.wait(20) == 130
            watchdog.cancel()
        listed = jubako(server, "run", "services", "list", "--format", "csv(name.basename():label=service)")
        assert listed.stdout == "service\nwritten\n"


def ask(server: ServerProcess, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{server.address}/run/local/asia-northeast1/written/{path}", timeout=30)


@pytest.mark.slow
def test_an_entry_is_written_and_read(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "state") as server:
        assert jubako(server, "logging", "write", "app", "plain words", "--severity", "error").returncode == 0
        written = jubako(server, "logging", "write", "app", '{"n": 3}', "--payload-type", "json")
        assert written.returncode == 0, written.stderr
        assert jubako(server, "logging", "write", "app", "no json", "--payload-type", "json").returncode == 2
        read = jubako(server, "logging", "read", "log_id(app) AND (severity=ERROR OR jsonPayload.n>2)")
        lines = [line.split(" ", 1)[1] for line in read.stdout.splitlines()]
        assert lines == ["DEFAULT app n=3", "ERROR app plain words"]
        fresh = jubako(
            server, "logging", "read", "log_id(app)", "--freshness", "1h", "--format", "value(severity)"
        )
        assert fresh.stdout.splitlines() == ["", "ERROR"], fresh.stderr
