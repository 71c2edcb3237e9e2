"""Durations of ``jubako clock advance``."""

import argparse
from datetime import timedelta

import pytest

from jubako.cli.clock import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("30d", 2_592_000), ("1h30m", 5_400), ("1.5h", 5_400), ("2w", 1_209_600)],
)
def test_durations_are_what_people_write(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "d", "1x", "-1d", "1d and more"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)
