"""The pytest plugin, in a suite of its own."""

import os
import re
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


def passed(folder: Path) -> str:
    """Return what pytest says of the suite in a folder."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    words = ["-q", "-p", "jubako.testing.plugin", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_how_to_works_as_it_is_printed(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "howto" / "test-a-workflow.md").read_text("utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL)
    (source,) = [text for kind, text in blocks if kind == "yaml"]
    (tmp_path / "publish.yaml").write_text(source)
    (tmp_path / "test_publish.py").write_text("\n\n".join(text for kind, text in blocks if kind == "python"))
    told = passed(tmp_path)
    assert "5 passed" in told, told


def test_a_failure_shows_the_test_and_the_reason_and_nothing_of_the_inside(tmp_path: Path) -> None:
    (tmp_path / "flow.yaml").write_text("- a: {call: http.get, args: {url: https://x.test}}\n")
    (tmp_path / "bad.yaml").write_text("- a: {retrun: 1}\n")
    (tmp_path / "test_flow.py").write_text("""
def test_stub(workflow):
    workflow("flow.yaml").run()

def test_source(workflow):
    workflow("bad.yaml")

def test_tag(workflow):
    workflow("flow.yaml").http("GET", "*", raises="HTTPError")
""")
    told = passed(tmp_path)
    assert "give the test a stub: flow.http('GET', 'https://x.test', returns=...)" in told
    assert f"in {tmp_path / 'bad.yaml'}" in told
    assert "'HTTPError' is no tag of a call; there are AuthError, " in told
    assert "_take(" not in told


def test_the_plugin_gives_its_fixtures_to_any_suite(tmp_path: Path) -> None:
    (tmp_path / "test_flow.py").write_text(TEST_FILE)
    (tmp_path / "flow.yaml").write_text(
        "main: {steps: [{a: {call: http.get, args: {url: https://x.test}, result: r}}, {b: {return: '${r.body}'}}]}"
    )
    told = passed(tmp_path)
    assert "3 passed" in told, told


def test_the_plugin_alone_imports_nothing_of_the_product() -> None:
    code = "import sys, jubako.testing.plugin; print([m for m in sys.modules if m.startswith('jubako')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "['jubako', 'jubako.testing', 'jubako.testing.plugin']"
