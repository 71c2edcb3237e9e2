"""The reference page says what the program does."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_reference_page_is_what_the_parsers_say() -> None:
    path = ROOT / "tools" / "generate_cli_reference.py"
    spec = importlib.util.spec_from_file_location("generate_cli_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert written == module.page(), "run tools/generate_cli_reference.py"
