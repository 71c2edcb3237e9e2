"""Jobs through the API of a real server: how tests deploy one, run it, and see what it says."""

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from jubako.runtime.supervisor import limits
from jubako.testing.server import PARENT, SLOWNESS, ServerProcess

PATIENCE_S = 60.0 * SLOWNESS


class Jobs:
    """The jobs of one server."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    def deploy(self, name: str, command: Sequence[str], *, container: Any = None, **fields: Any) -> None:
        """Store a job; ``fields`` named maxRetries and timeout belong to its tasks, others to its executions."""
        inner: dict[str, Any] = {
            "maxRetries": 0,
            **{key: fields.pop(key) for key in ("maxRetries", "timeout") if key in fields},
        }
        inner["containers"] = [{"command": [*command], **(container or {})}]
        self.server.post(f"/v2/{PARENT}/jobs?jobId={name}", {"template": {**fields, "template": inner}})

    def run(self, name: str, **overrides: Any) -> Any:
        """Start an execution and return the operation."""
        return self.server.post(
            f"/v2/{PARENT}/jobs/{name}:run", {"overrides": overrides} if overrides else {}
        )

    def execution(self, operation: Any) -> Any:
        """Return the execution of an operation as it is now."""
        return self.server.get(f"/v2/{operation['metadata']['name']}")

    def cancel(self, operation: Any) -> None:
        self.server.post(f"/v2/{operation['metadata']['name']}:cancel")

    def ended(self, operation: Any) -> Any:
        """Return the execution of an operation once that is done."""
        deadline = time.monotonic() + PATIENCE_S
        while not operation.get("done"):
            assert time.monotonic() < deadline, operation
            operation = self.server.post(f"/v2/{operation['name']}:wait", {"timeout": "10s"})
        return operation["metadata"]

    def attempts(self, operation: Any, index: int = 0) -> list[Any]:
        """Return what is known of each attempt of a task."""
        name = operation["metadata"]["name"]
        return list(self.server.get(f"/jubako/v1/{name}/tasks/{index}/attempts")["attempts"])

    def output(self, operation: Any) -> list[str]:
        """Return the lines of text that the execution wrote."""
        found = self.server.get(f"/jubako/v1/{operation['metadata']['name']}/logs")
        return [entry["textPayload"] for entry in found["entries"]]

    def answers_within(self, limit_s: float = 2.0) -> None:
        """Fail if the API does not answer soon."""
        began = time.monotonic()
        self.server.get(f"/v2/{PARENT}/jobs")
        took = time.monotonic() - began
        assert took < limit_s * SLOWNESS, f"the API took {took:.1f} s"


def until(condition: Callable[[], Any]) -> Any:
    """Return the first true value of ``condition``."""
    pause, deadline = threading.Event(), time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        pause.wait(0.02)
    return value


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], Any]], Any]:
    return until


@pytest.fixture(scope="session")
def make_group() -> Callable[[], AbstractContextManager[Path | None]]:
    """Return a maker of control groups with all controllers of version 2; it gives None where that cannot be."""

    @contextlib.contextmanager
    def make() -> Iterator[Path | None]:
        root = next((mount.group for mount in limits.mounts() if mount.controller == ""), None)
        while root is not None and (root / "cgroup.type").exists():
            root = root.parent
        file = root / "cgroup.subtree_control" if root else None
        if file is None or os.geteuid() != 0 or not {*limits.CONTROLLERS} <= {*file.read_text().split()}:
            yield None
            return
        made = Path(tempfile.mkdtemp(prefix="jubako-test-", dir=root))
        yield made
        assert [path for path in made.iterdir() if path.is_dir()] == [], "groups were left over"
        made.rmdir()

    return make


@pytest.fixture(scope="module")
def tree_kill() -> str:
    """How process trees are ended at most; modules whose tests are about that have them at each level."""
    return "cgroup"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory, make_group: Any, tree_kill: str) -> Iterator[Jobs]:
    """The jobs of a server that all tests of a module share; it gives a second between SIGTERM and SIGKILL."""
    flags = ["--grace", "1", "--tree-kill", tree_kill]
    with make_group() as group:
        state = tmp_path_factory.mktemp("jobs") / "state"
        with ServerProcess(state, flags=flags, group=group) as server:
            yield Jobs(server)


@pytest.fixture
def make_jobs() -> Callable[[ServerProcess], Jobs]:
    return Jobs


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[Path, str], Path]]:
    """``disk(folder, "64m")`` makes ``folder`` a volume of its own; skipped where nothing may be mounted."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "jubako-test", str(folder)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"nothing can be mounted here: {made.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
