"""The pytest plugin, in a suite of its own."""

import os
import subprocess
import sys
from pathlib import Path

TEST_FILE = """
def test_it(workflow):
    flow = workflow("flow.yaml")
    assert flow.http("GET", "*", returns="hi").run().result == "hi"

def test_text(workflow):
    assert workflow("main:\\n  steps:\\n    - a: {return: 1}\\n").run().result == 1

def test_server(jubako):
    assert jubako.get("/v1/projects/local/locations/asia-northeast1/workflows") == {}
"""


def test_the_plugin_gives_its_fixtures_to_any_suite(tmp_path: Path) -> None:
    (tmp_path / "test_flow.py").write_text(TEST_FILE)
    (tmp_path / "flow.yaml").write_text(
        "main: {steps: [{a: {call: http.get, args: {url: https://x.test}, result: r}}, {b: {return: '${r.body}'}}]}"
    )
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "jubako.testing.plugin",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_plugin_alone_imports_nothing_of_the_product() -> None:
    code = "import sys, jubako.testing.plugin; print([m for m in sys.modules if m.startswith('jubako')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "['jubako', 'jubako.testing', 'jubako.testing.plugin']"
