import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jubako.testing.server import ServerProcess

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("identity") / "state") as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home directory: nothing of it may change."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def run(server: ServerProcess, home: Path) -> Run:
    """Run a command line of jubako with almost nothing in its environment."""

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "jubako", "--server", server.address, *words],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
                "PYTHONWARNINGS": "ignore",
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    return run


@pytest.fixture
def python(run: Run) -> Callable[..., str]:
    """Run Python under ``jubako exec`` and return what it prints."""

    def python(code: str, *flags: str, **environ: str) -> str:
        done = run("exec", *flags, "--", sys.executable, "-c", code, **environ)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return python
