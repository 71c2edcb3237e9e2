"""Which files set which limit in which version of control groups, and where those are mounted."""

from pathlib import Path

import pytest

from jubako.runtime.supervisor.limits import Mount, parse_mounts, settings

HYBRID = [
    "tmpfs /sys/fs/cgroup tmpfs rw 0 0",
    "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0",
    "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0",
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0",
]
HYBRID_OWN = ["4:memory:/user/a:b", "2:cpu,cpuacct:/", "0::/user"]


def test_each_hierarchy_is_found_with_the_group_of_this_process() -> None:
    assert set(parse_mounts(HYBRID, HYBRID_OWN)) == {
        Mount("cpu", Path("/sys/fs/cgroup/cpu,cpuacct")),
        Mount("memory", Path("/sys/fs/cgroup/memory/user/a:b")),
        Mount("", Path("/sys/fs/cgroup/unified/user")),
    }


def test_version_2_alone_is_one_hierarchy() -> None:
    mounted = ["cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0", "proc /proc proc rw 0 0"]
    assert list(parse_mounts(mounted, ["0::/"])) == [Mount("", Path("/sys/fs/cgroup"))]


@pytest.mark.parametrize(
    ("controller", "is_v2", "value", "files"),
    [
        ("pids", False, 40, [("pids.max", "40")]),
        ("pids", True, None, [("pids.max", "max")]),
        ("cpu", True, 0.5, [("cpu.max", "50000 100000")]),
        ("cpu", True, None, [("cpu.max", "max 100000")]),
        ("cpu", False, 2, [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "200000")]),
        ("cpu", False, None, [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "-1")]),
        ("cpu", True, 0.000001, [("cpu.max", "1000 100000")]),
        ("memory", True, 512 << 20, [("memory.max", "536870912"), ("memory.swap.max", "0")]),
        ("memory", True, None, [("memory.max", "max"), ("memory.swap.max", "max")]),
        ("memory", True, 1, [("memory.max", "4194304"), ("memory.swap.max", "0")]),
    ],
)
def test_limits_are_written_as_the_kernel_reads_them(
    controller: str, is_v2: bool, value: float | None, files: list[tuple[str, str]]
) -> None:
    assert settings(controller, is_v2=is_v2, value=value) == files


@pytest.mark.parametrize(("value", "last"), [(64 << 20, "67108864"), (None, "-1")])
def test_memory_with_swap_is_never_below_memory_while_both_change(value: int | None, last: str) -> None:
    swap, memory = "memory.memsw.limit_in_bytes", "memory.limit_in_bytes"
    assert settings("memory", is_v2=False, value=value) == [(swap, "-1"), (memory, last), (swap, last)]
