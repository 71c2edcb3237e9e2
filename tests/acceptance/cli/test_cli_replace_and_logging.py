"""``jubako run jobs replace`` and ``jubako logging read`` against a real server."""

import json
import os
import subprocess
import sys
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
        refused = jubako(server, "logging", "read", "a OR b")
        assert (refused.returncode, "OR" in refused.stderr) == (1, True)
        file.write_text("kind: Service\nmetadata: {name: x}\n")
        assert jubako(server, "run", "jobs", "replace", str(file)).returncode == 2
