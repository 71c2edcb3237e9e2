"""What `jubako up` says about the enforcement of limits, level by level."""

import pytest

from jubako.cli.up import TREE_KILLS
from jubako.runtime.port import Capabilities
from jubako.runtime.supervisor.levels import LEVELS
from jubako.server.main import _enforced


@pytest.mark.parametrize(
    ("level", "limits", "missing", "said"),
    [
        ("cgroup", ("memory", "cpu", "pids"), "", "ended by cgroup, limits enforced: memory, cpu, pids"),
        (
            "cgroup",
            ("pids",),
            "/g does not hand down cpu: x",
            "limits enforced: pids - /g does not hand down cpu: x",
        ),
        ("cgroup", (), "other processes are in /g", "limits enforced: none - other processes are in /g"),
        ("subreaper", (), "no group: y", "ended by subreaper, limits enforced: none - no group: y"),
        ("pid-namespace", (), "no group", "ended by pid-namespace, limits enforced: none - no group"),
        ("process-group", (), "", "ended by process-group, limits enforced: none"),
    ],
)
def test_each_level_is_said_as_it_is(level: str, limits: tuple[str, ...], missing: str, said: str) -> None:
    can = Capabilities(
        name="process", tree_kill=level, survives_restart=True, enforced=limits, missing=missing
    )
    assert _enforced(can).endswith(said)


def test_it_says_why_there_are_no_volumes() -> None:
    can = Capabilities(
        name="process", tree_kill="process-group", survives_restart=True, mounts_missing="not Linux"
    )
    assert _enforced(can).endswith("limits enforced: none, no volumes - not Linux")


def test_the_command_line_knows_all_levels() -> None:
    assert TREE_KILLS == LEVELS
