import json
from typing import Any

import pytest

from jubako_sdk import log, progress


@pytest.fixture
def in_a_task(monkeypatch):
    for name, value in {
        "JOB": "telop-ocr",
        "EXECUTION": "telop-ocr-1",
        "TASK_INDEX": "2",
        "TASK_COUNT": "4",
    }.items():
        monkeypatch.setenv(f"CLOUD_RUN_{name}", value)


def only_line(capsys: pytest.CaptureFixture[str]) -> Any:
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert out.count("\n") == 1
    return json.loads(out)


def test_a_line_has_cloud_loggings_shape(capsys, in_a_task):
    log("WARNING", "改行\nあり", segment=3)
    assert only_line(capsys) == {
        "severity": "WARNING",
        "message": "改行\nあり",
        "segment": 3,
        "logging.googleapis.com/labels": {
            "job": "telop-ocr",
            "execution": "telop-ocr-1",
            "task_index": "2",
            "task_attempt": "0",
        },
    }


def test_progress_is_one_structured_line(capsys):
    progress(3, 8, "ocr")
    line = only_line(capsys)
    assert line["progress"] == {"stage": "ocr", "done": 3, "total": 8}
    assert line["message"] == "ocr: 3 of 8"


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800", object(), {("a",): 1}, b"\xff"])
def test_nothing_that_is_logged_can_break_the_task(capsys, value):
    log("INFO", "odd", value=value)
    assert only_line(capsys)["message"] == "odd"


def test_fields_do_not_overwrite_the_entry_and_odd_severities_become_default(capsys, in_a_task, monkeypatch):
    monkeypatch.setenv("CLOUD_RUN_TASK_INDEX", "broken")
    log("shout", "hello", **{"logging.googleapis.com/labels": "mine"})
    line = only_line(capsys)
    assert line["severity"] == "DEFAULT"
