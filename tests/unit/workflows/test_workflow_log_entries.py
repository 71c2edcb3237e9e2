"""What ``sys.log`` leaves behind, and what an execution's row says of its start and end."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jubako.boxes.workflows.language import Effect, EffectKind
from jubako.boxes.workflows.log_entries import PAYLOAD_CHARS_MAX, row_of
from jubako.boxes.workflows.performer import Context
from jubako.wire import codec
from jubako.wire.logging_types import LogEntry

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
CONTEXT = Context(
    "projects/p/locations/l/workflows/w/executions/e",
    "e",
    "a@b",
    {"GOOGLE_CLOUD_WORKFLOW_REVISION_ID": "000001-abc"},
)


def logged(**args: Any) -> dict[str, Any]:
    effect = Effect(
        name="main/a#0",
        kind=EffectKind.LOG,
        function="sys.log",
        args={"severity": "INFO", **args},
        step="a",
        routine="main",
    )
    row = row_of(effect, CONTEXT, NOW)
    assert (row.project, row.log_id, row.insert_id) == ("p", "Workflows", "e-main/a#0")
    codec.decode(LogEntry, row.document)  # whatever was logged, the API can show it
    entry: dict[str, Any] = json.loads(row.document)
    return entry


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ({"text": "words"}, {"textPayload": "words"}),
        ({"json": {"a": [1, None]}}, {"jsonPayload": {"a": [1, None]}}),
        ({"data": "words"}, {"textPayload": "words"}),
        ({"data": {"a": 1}}, {"jsonPayload": {"a": 1}}),
        ({"data": [1, 2]}, {"textPayload": "[1, 2]"}),
        ({"data": None}, {"textPayload": "null"}),
        ({"text": "half \ud800 a pair"}, {"textPayload": "half ? a pair"}),
    ],
)
def test_maps_are_objects_and_the_rest_is_text(args: dict[str, Any], shown: dict[str, Any]) -> None:
    entry = logged(**args)
    assert {name: entry[name] for name in entry if name.endswith("Payload")} == shown
    assert entry["labels"]["workflows.googleapis.com/revision_id"] == "000001-abc"


def test_what_is_too_long_for_an_entry_is_cut() -> None:
    assert len(logged(text="x" * 10**6)["textPayload"]) == PAYLOAD_CHARS_MAX
    assert logged(json={"a": "x" * 10**6})["textPayload"].startswith('{"a": "xxx')
