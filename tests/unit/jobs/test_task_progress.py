"""The last progress that a task told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.boxes.jobs.task_progress import last_told

TOLD = b'{"message": "m", "progress": {"stage": "s", "done": 2, "total": 3}}'


@pytest.mark.parametrize(
    ("output", "done"),
    [
        (TOLD, 2),
        (TOLD + b"\n" + TOLD.replace(b"2", b"3") + b"\nlater", 3),
        (b'"done": 9}}\n' + TOLD + b'\n{"progress": {"done": "x"}}\n{"progress": null}\n', 2),
        (TOLD + b'\n{"progress": {"done": 5, "to', 2),
    ],
)
def test_the_last_line_that_tells_one_counts(output: bytes, done: int) -> None:
    told = last_told(output)
    assert told is not None
    assert (told.stage, told.done, told.total) == ("s", done, 3)


@given(st.binary(max_size=300))
def test_no_output_is_too_odd(output: bytes) -> None:
    last_told(output)
    assert last_told(TOLD + b"\n" + output.replace(b"\n", b" ")) is not None
