"""Which group of version 2 is divided, and what is said where none may be (real ones: test_jobs_in_a_divided_group)."""

from pathlib import Path

import pytest

from jubako.runtime.supervisor import division


def group(folder: Path, *, members: str = "", is_root: bool = False) -> Path:
    """Make what looks like a group."""
    folder.mkdir()
    (folder / "cgroup.procs").write_text(members)
    (folder / "cgroup.controllers").write_text("cpu memory pids")
    (folder / "cgroup.subtree_control").write_text("")
    if not is_root:
        (folder / "cgroup.type").write_text("domain")
    return folder


def test_a_group_of_ours_was_made_in_the_one_that_we_were_given(tmp_path: Path) -> None:
    unit = group(tmp_path / "unit")
    assert division.given(unit) == unit
    assert division.given(group(unit / division.LEAF)) == unit


@pytest.mark.parametrize(("name", "is_above"), [("server", True), ("other.service", False)])
def test_a_subgroup_in_what_systemd_delegated_is_told_from_another_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_above: bool
) -> None:
    unit = group(tmp_path / "jubako.service")
    monkeypatch.setattr(division, "_is_delegated", lambda path: path == unit)
    own = group(unit / name)
    assert division.given(own) == (unit if is_above else own)


def test_controllers_are_handed_down_from_an_empty_group(tmp_path: Path) -> None:
    base = group(group(tmp_path / "container") / "jubako-1")
    assert division.hand_down(base, ["memory", "pids"]) == (["memory", "pids"], "")


def test_the_root_is_divided_whoever_is_in_it(tmp_path: Path) -> None:
    base = group(group(tmp_path / "root", members="1\n2\n", is_root=True) / "jubako-1")
    assert division.hand_down(base, ["memory"]) == (["memory"], "")


@pytest.mark.parametrize(
    ("name", "members", "why"),
    [
        ("container", "12\n", "other processes are in {}"),
        ("some.scope", "", "{} may not be divided by this user, or systemd has not delegated it"),
    ],
)
def test_where_nothing_may_be_handed_down_nothing_is_tried_and_it_is_said_why(
    tmp_path: Path, name: str, members: str, why: str
) -> None:
    place = group(tmp_path / name, members=members)
    base = group(place / "jubako-1")
    assert division.hand_down(base, ["memory"]) == ([], why.format(place))
    assert (place / "cgroup.subtree_control").read_text() == ""


def test_a_controller_that_is_not_there_is_named(tmp_path: Path) -> None:
    place = group(tmp_path / "container")
    base = group(place / "jubako-1")
    (base / "cgroup.subtree_control").unlink()
    found, why = division.hand_down(base, ["cpu"])
    assert (found, why) == ([], f"{place} does not hand down cpu: No such file or directory")


def test_only_groups_without_processes_go(tmp_path: Path) -> None:
    (tmp_path / "base" / "slot-0" / "of-a-task").mkdir(parents=True)
    (tmp_path / "base" / "main").mkdir()
    (tmp_path / "base" / "main" / "held").write_text("")  # as a process in it would
    division.remove(tmp_path / "base")
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["main"]
