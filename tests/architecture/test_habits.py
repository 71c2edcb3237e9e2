"""Habits that keep tests honest and the repository about the project alone."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
SLEEP = re.compile(r"\b(?:time|asyncio)\.sleep\((?!0\))")
MOCK = re.compile(r"\bmock\.patch|\bmonkeypatch\.setattr\(\s*(?:time|datetime)")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_tests_wait_for_signals_and_patch_nothing(path: Path) -> None:
    if path == Path(__file__):
        return
    text = path.read_text("utf-8")
    assert not SLEEP.search(text), "wait for a condition with a deadline instead"
    assert not MOCK.search(text), "take a fake at a port instead"


def test_every_package_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src").rglob("*.py")
        if path.name != "__init__.py" and not path.read_text("utf-8").lstrip().startswith(('"""', 'r"""'))
    ]
    assert silent == []
