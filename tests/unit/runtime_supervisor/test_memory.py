"""How much memory attempts may ask for: the machine's, or what a container may use."""

from pathlib import Path

import pytest

from jubako.runtime.supervisor.memory import SHARE, FreeMemory, for_attempts, machine_bytes

GIB = 1 << 30


def machine(folder: Path, groups: str = "", *, free: int = GIB) -> Path:
    (folder / "proc/self").mkdir(parents=True, exist_ok=True)
    lines = [f"MemTotal: {16 * GIB // 1024} kB", f"MemAvailable: {free // 1024} kB", "HugePages_Total: 0"]
    (folder / "proc/meminfo").write_text("\n".join(lines))
    (folder / "proc/self/cgroup").write_text(groups)
    return folder / "proc"


def limit(folder: Path, path: str, value: str) -> None:
    file = folder / "groups" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value)


def test_without_limits_it_is_the_machines(tmp_path: Path) -> None:
    assert machine_bytes(machine(tmp_path), tmp_path / "groups") == 16 * GIB
    assert 0 < for_attempts() <= SHARE * machine_bytes() + 1


@pytest.mark.parametrize(
    ("groups", "file", "value", "expected"),
    [
        ("0::/a/b\n", "a/b/memory.max", f"{GIB}\n", GIB),
        ("0::/a/b\n", "a/memory.max", f"{2 * GIB}\n", 2 * GIB),
        ("0::/\n", "memory.max", f"{3 * GIB}\n", 3 * GIB),
        ("0::/a\n", "a/memory.max", "max\n", 16 * GIB),
        ("4:memory:/a\n3:cpu:/b\n", "memory/a/memory.limit_in_bytes", f"{GIB}\n", GIB),
        ("4:memory:/docker/x\n", "memory/memory.limit_in_bytes", f"{GIB}\n", GIB),
        ("4:memory:/a\n", "memory/a/memory.limit_in_bytes", "9223372036854771712\n", 16 * GIB),
    ],
)
def test_a_containers_limit_counts_wherever_it_stands(
    tmp_path: Path, groups: str, file: str, value: str, expected: int
) -> None:
    limit(tmp_path, file, value)
    assert machine_bytes(machine(tmp_path, groups), tmp_path / "groups") == expected


def test_little_free_memory_is_noticed(tmp_path: Path) -> None:
    assert not FreeMemory(machine(tmp_path, free=GIB)).is_short()
    assert FreeMemory(machine(tmp_path, free=GIB // 4)).is_short()
    assert not FreeMemory(tmp_path / "nowhere").is_short()
