"""A real server with one of each resource, and what must hold of it after any amount of nonsense."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jubako.testing.server import PARENT, ServerProcess

GROWTH_MAX_KB = 60_000
DESCRIPTORS_MAX = 20
"""That are open for a while after the last request: kept connections of clients, files of a task that ends."""
LOG_BYTES_PER_CASE = 400
"""An execution that was asked for ends with one line; nothing else of what fuzzers send is worth any."""
SOURCE = "main:\n  params: [input]\n  steps:\n    - last:\n        return: ${input}\n"


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[ServerProcess]:
    """Return a server that may not call outside, with a job, a service and a workflow named ``known``."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("memory and descriptors are read from /proc")
    with ServerProcess(tmp_path / "state", flags=["--offline"]) as server:
        task = {"containers": [{"command": ["true"]}], "maxRetries": 0}
        for name in ("known", "steady"):
            server.post(f"/v2/{PARENT}/jobs?jobId={name}", {"template": {"template": task}})
        server.post(f"/v2/{PARENT}/jobs/steady:run")
        image = {"containers": [{"image": "nothing.invalid/nothing"}]}
        server.post(f"/v2/{PARENT}/services?serviceId=known", {"template": image})
        server.post(f"/v1/{PARENT}/workflows?workflowId=known", {"sourceContents": SOURCE})
        yield server


@pytest.fixture
def unharmed(victim: ServerProcess) -> Callable[[int], None]:
    """Return ``check(cases)``: that many requests have cost neither life nor memory, descriptors or log."""
    memory, files, written = victim.resident_kb(), victim.descriptors(), len(victim.log())

    def check(cases: int) -> None:
        assert victim.get("/healthz") == {"status": "ok"}
        log = victim.log()
        for word in ("Traceback", "request.failed", "response.broken", " ERROR "):
            assert word not in log, log[-20_000:]
        assert len(log) - written < cases * LOG_BYTES_PER_CASE
        assert victim.resident_kb() - memory < GROWTH_MAX_KB
        assert victim.descriptors() <= files + DESCRIPTORS_MAX

    return check
