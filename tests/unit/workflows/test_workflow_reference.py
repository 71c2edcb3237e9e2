"""The reference of the language says what the library is."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_generator_makes():
    made = runpy.run_path(str(ROOT / "tools" / "generate_workflow_reference.py"))
    assert made["PAGE"].read_text("utf-8") == made["page"](), "run tools/generate_workflow_reference.py"


def test_errors_are_found_in_the_code():
    made = runpy.run_path(str(ROOT / "tools" / "generate_workflow_reference.py"))
    text = made["page"]()
    assert "| `text.substring(source, start, end)`" in text
    line = next(line for line in text.splitlines() if line.startswith("| `text.substring("))
    assert line.endswith("| IndexError, TypeError |")
