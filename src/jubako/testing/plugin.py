"""The pytest plugin: fixtures ``jubako`` (a real server, one for the session) and ``workflow``.

Nothing is imported before a test asks for one of them, so a suite that uses neither pays nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jubako.testing.server import ServerProcess
    from jubako.testing.workflow import WorkflowUnderTest

    LoadWorkflow = Callable[..., WorkflowUnderTest]


@pytest.fixture(scope="session")
def jubako(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[ServerProcess]":
    """A server in a process of its own, on a free port; ``jubako.address`` is its URL."""
    from jubako.testing.server import ServerProcess  # noqa: PLC0415 - see the module

    with ServerProcess(tmp_path_factory.mktemp("jubako") / "state") as server:
        yield server


@pytest.fixture
def workflow(request: pytest.FixtureRequest) -> "LoadWorkflow":
    """Load a workflow: ``workflow("flow.yaml")``, relative to the test's own folder, or its text."""
    from jubako.testing.workflow import WorkflowUnderTest  # noqa: PLC0415 - see the module

    folder = request.path.parent

    def load(source: str | Path, *, env: Mapping[str, str] | None = None) -> WorkflowUnderTest:
        __tracebackhide__ = True
        if isinstance(source, str) and "\n" in source:
            return WorkflowUnderTest(source, env=env)
        return WorkflowUnderTest.of_file(folder / source, env=env)

    return load
