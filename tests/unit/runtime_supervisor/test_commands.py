"""Whether a command can be started is told beforehand with the error that its start would raise."""

import os
from pathlib import Path

import pytest

from jubako.runtime.supervisor import commands


def test_a_name_is_looked_for_in_order_and_only_programs_count(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "work").mkdir()
    (tmp_path / "b" / "work").write_text("no program")
    (tmp_path / "c" / "work").symlink_to("/bin/true")
    path = ":".join(str(tmp_path / folder) for folder in ("a", "none", "b", "c"))
    assert commands.resolve("work", path) == str(tmp_path / "c" / "work")
    assert commands.resolve("a/work", path) == "a/work"


def test_relative_places_are_those_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "work").symlink_to("/bin/true")
    commands.check("bin/work", "/bin", str(tmp_path))
    commands.check("work", "bin", str(tmp_path))
    commands.check("work", "", str(tmp_path / "bin"))
    with pytest.raises(FileNotFoundError, match="not found in PATH"):
        commands.check("work", "/bin", str(tmp_path))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda _: None, FileNotFoundError),
        (lambda path: path.mkdir(), PermissionError),
        (lambda path: path.write_text("text"), PermissionError),
        (lambda path: path.symlink_to("nowhere"), FileNotFoundError),
    ],
    ids=["nothing", "a directory", "no program", "a broken link"],
)
def test_the_error_is_the_one_of_a_start(tmp_path: Path, make: object, kind: type[OSError]) -> None:
    file = tmp_path / "work"
    make(file)  # type: ignore[operator]
    with pytest.raises(kind) as seen:
        commands.check("./work", "/bin", str(tmp_path))
    with pytest.raises(OSError) as raised:  # noqa: PT011 - whatever it is
        os.posix_spawn(str(file), ["work"], {})
    assert seen.value.errno == raised.value.errno


def test_a_directory_must_be_one(tmp_path: Path) -> None:
    commands.check_directory(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        commands.check_directory(str(tmp_path / "file"))
    with pytest.raises(FileNotFoundError):
        commands.check_directory(str(tmp_path / "none"))
