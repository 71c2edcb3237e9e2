"""``jubako workflows check``: offline, findings with file, line and column."""

import io
from pathlib import Path

import pytest

from jubako.cli.main import main

GOOD = "main:\n  params: [input]\n  steps:\n  - done:\n      return: ${input}\n"
BAD = "main:\n  steps:\n  - done:\n      return: ${1 +}\n"


def test_a_workflow_that_compiles_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert main(["workflows", "check", str(path)], {}) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "good.yaml is a workflow" in captured.err


def test_findings_are_file_line_column_and_sentence_and_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    assert main(["workflows", "check", str(path)], {}) == 1
    assert capsys.readouterr().out.startswith(f"{path}:4:")


def test_standard_input_is_a_file_called_dash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(BAD))
    assert main(["workflows", "check", "-"], {}) == 1
    assert capsys.readouterr().out.startswith("-:4:")


def test_a_file_that_cannot_be_read_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["workflows", "check", str(tmp_path / "none.yaml")], {}) == 2
    assert "cannot be read" in capsys.readouterr().err
