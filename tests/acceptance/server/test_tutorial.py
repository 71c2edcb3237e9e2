"""The tutorial's commands do what it says, word for word, in a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jubako.testing.server import ServerProcess

TUTORIAL = (Path(__file__).parents[3] / "docs/tutorials/first-job.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.DOTALL)


@pytest.mark.slow
def test_the_tutorial_works_as_written(server: ServerProcess, tmp_path: Path) -> None:
    (hello,) = blocks("yaml")
    (tmp_path / "hello.yaml").write_text(hello)
    up, job, failure, workflow, _ = blocks("sh")
    assert up == "jubako up\n"
    told = {}
    for name, block in {"job": job, "failure": failure, "workflow": workflow}.items():
        done = subprocess.run(
            ["bash", "-e", "-c", block],
            cwd=tmp_path,
            env={
                **os.environ,
                "JUBAKO_SERVER": server.address,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told[name] = done.stdout
    assert [f"I am {index}" for index in range(4)] == sorted(re.findall(r"I am \d", told["job"]))
    assert "Succeeded" in told["failure"]
    assert '"tasks": 8' in told["workflow"]
