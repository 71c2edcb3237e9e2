"""Durations of ``jubako clock advance``."""

import argparse
from datetime import timedelta

import pytest

from jubako.cli.clock import ahead, duration


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


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("-0.000001s", "0:00:00"),
        ("7s", "0:00:07"),
        ("93784.2s", "1 day 2:03:04"),
        ("31449599.989924s", "364 days"),
        ("86400000s", "1,000 days"),
    ],
)
def test_how_farahead_it_is_reads_as_days_and_time(told: str, shown: str) -> None:
    assert ahead(told) == shown
