"""The import contracts of pyproject.toml hold."""

from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]


def test_imports_point_down_only(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, verbose=False) == EXIT_STATUS_SUCCESS


def test_no_production_module_knows_the_applications() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src/jubako").rglob("*.py")
        if any(
            line.lstrip().startswith(("import jubako_apps", "from jubako_apps"))
            for line in path.read_text("utf-8").splitlines()
        )
    ]
    assert offenders == []
