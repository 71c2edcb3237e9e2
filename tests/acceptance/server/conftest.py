from collections.abc import Iterator
from pathlib import Path

import pytest

from jubako.testing.server import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "state") as server:
        yield server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Return a server that the test may kill."""
    server = ServerProcess(tmp_path / "state")
    server.start()
    yield server
    server.stop()
