"""Size gates that no linter has: files, classes, ports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 400
CLASS_METHODS_MAX = 15
PORT_METHODS_MAX = 12
GENERATED = {"resources.py", "methods.py", "run_types.py"}
FILES = [
    path
    for folder in ("src", "tests", "benchmarks", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name not in GENERATED
]
BY_NAME = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in FILES]


@pytest.mark.parametrize("path", BY_NAME)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", BY_NAME)
def test_a_class_does_one_thing(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            is_port = any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
            public = [
                item.name
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not item.name.startswith("_")
            ]
            assert len(public) <= (PORT_METHODS_MAX if is_port else CLASS_METHODS_MAX), node.name
