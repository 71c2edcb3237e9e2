"""A limit that an execution came near to is told by the commands that show it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jubako.cli.main import main
from jubako.testing.server import ServerProcess

FILLING = """\
- init: {assign: [{m: {}}]}
- fill: {for: {value: i, range: [1, 450], steps: [{add: {assign: [{"m[string(i)]": "%s"}]}}]}}
- turn: {call: sys.log, args: {text: full}}
- deeper: {call: down, args: {n: 15}}
"""
SOURCE = (
    "main:\n  steps:\n"
    + "".join(f"    {line}\n" for line in (FILLING % ("x" * 1000)).splitlines())
    + """\
down:
  params: [n]
  steps:
    - look: {switch: [{condition: "${n > 0}", call: down, args: {n: "${n - 1}"}, next: end}]}
    - there: {call: sys.log, args: {text: there}}
"""
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("limits") / "state") as server:
        yield server


@pytest.fixture
def jubako(server: ServerProcess, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(["--server", server.address, *words], {})
        return code, *capsys.readouterr()

    return run


def test_run_warns_and_describe_tells_of_limits_that_are_near(jubako: Any, tmp_path: Path) -> None:
    path = tmp_path / "filling.yaml"
    path.write_text(SOURCE)
    assert jubako("workflows", "deploy", "filling", "--source", str(path))[0] == 0

    code, out, err = jubako("workflows", "run", "filling", "--data", '"' + "y" * 27_000 + '"')
    assert (code, out) == (0, "null\n")
    warnings = [line for line in err.splitlines() if line.startswith("WARNING: ")]
    assert [warning.partition(" of at most ")[2] for warning in warnings] == [
        "32,768 bytes of argument (82 %)",
        "524,288 bytes of variables (87 %) at down/look",
        "20 levels of calls (85 %) at down/look",
    ]

    _, name, _ = jubako("workflows", "executions", "list", "filling", "--format", "value(name)")
    _, told, _ = jubako("workflows", "executions", "describe", name.strip())
    assert told.count("Near a limit: ") == 3
    _, document, _ = jubako("workflows", "executions", "describe", name.strip(), "--format", "json")
    assert "near" not in document.lower()


def test_an_execution_far_from_its_limits_warns_of_nothing(jubako: Any, tmp_path: Path) -> None:
    path = tmp_path / "calm.yaml"
    path.write_text("- a: {return: 1}\n")
    assert jubako("workflows", "deploy", "calm", "--source", str(path))[0] == 0
    assert jubako("workflows", "run", "calm") == (0, "1\n", "")


WIDE = """\
- init: {assign: [{all: []}]}
- fill: {for: {value: i, range: [1, 440], steps: [{add: {assign: [{all: "${list.concat(all, \\"%s\\")}"}]}}]}}
- fan:
    parallel:
      for: {value: i, range: [1, 30], steps: [{nap: {call: sys.sleep, args: {seconds: 0.01}}}]}
- done: {return: "${all}"}
"""


def test_branches_at_once_and_the_result_are_told_too(jubako: Any, tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    path.write_text(WIDE % ("z" * 300))
    text = path.read_text().replace("440", "1440")
    path.write_text(text)
    assert jubako("workflows", "deploy", "wide", "--source", str(path))[0] == 0
    code, _, err = jubako("workflows", "run", "wide")
    assert code == 0, err
    told = [line.partition(" of at most ")[2] for line in err.splitlines() if line.startswith("WARNING: ")]
    assert told == [
        "524,288 bytes of variables (84 %) at main/fan",
        "20 branches at once (100 %) at main/fan",
        "524,288 bytes of result (84 %) at main/done",
    ]
