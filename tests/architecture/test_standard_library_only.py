"""The sdk and the supervisor run where nothing is installed."""

import ast
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
FOLDERS = {"jubako_sdk": "jubako_sdk", "jubako/runtime/supervisor": "jubako.runtime.supervisor"}
FILES = [(path, own) for folder, own in FOLDERS.items() for path in sorted((SRC / folder).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize(("path", "own"), FILES, ids=lambda value: str(value).rpartition("src/")[2])
def test_it_imports_the_standard_library_and_itself(path: Path, own: str) -> None:
    strangers = {
        name
        for name in imported(path)
        if name.partition(".")[0] not in sys.stdlib_module_names and not f"{name}.".startswith(f"{own}.")
    }
    assert strangers == set()


def test_there_is_something_to_check() -> None:
    assert {own for _, own in FILES} == set(FOLDERS.values())
