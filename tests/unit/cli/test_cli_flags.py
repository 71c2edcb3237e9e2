"""How values are written on the command line."""

import argparse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.cli.errors import UsageError
from jubako.cli.flags import EnvEdit, add_env_flags, at_least, duration, pairs, read_env_file, words
from jubako.cli.parsing import Parser
from jubako.core.timestamps import parse_duration


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("3600s", "3600s"),
        ("10m5s", "605s"),
        ("90", "90s"),
        ("1h30m", "5400s"),
        ("7d", "604800s"),
        ("1.5s", "1.5s"),
    ],
)
def test_durations_are_written_as_gcloud_writes_them(written: str, meant: str) -> None:
    assert duration(written) == meant


@pytest.mark.parametrize("written", ["", "s", "0", "0.5s", "-3s", "5x", "1s1m", "1m1", "NaN", "1e3"])
def test_what_is_no_duration_of_at_least_a_second_is_refused(written: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(written)


@given(st.integers(1, 604_800))
def test_bare_seconds_keep_their_value(seconds: int) -> None:
    assert parse_duration(duration(str(seconds))).total_seconds() == seconds


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a,b,c", ["a", "b", "c"]),
        ("", []),
        ("^|^a,b|c", ["a,b", "c"]),
        ("^:^a:b", ["a", "b"]),
        ("^--^a--b-c", ["a", "b-c"]),
        ("a,,b", ["a", "", "b"]),
        ("^a", ["^a"]),
    ],
)
def test_lists_are_split_at_commas_or_at_a_delimiter_of_ones_own(written: str, meant: list[str]) -> None:
    assert words(written) == meant


@given(st.lists(st.text(st.characters(exclude_characters="|"), min_size=1), min_size=1))
def test_any_words_survive_a_delimiter_that_none_of_them_holds(items: list[str]) -> None:
    assert words("^|^" + "|".join(items)) == items


def test_maps_keep_equals_signs_in_values_and_refuse_items_without_one() -> None:
    assert pairs("A=1,B=x=y,C=") == {"A": "1", "B": "x=y", "C": ""}
    assert pairs("^@^A=1,2@B=3") == {"A": "1,2", "B": "3"}
    for wrong in ("A", "=1", "A=1,,B=2"):
        with pytest.raises(argparse.ArgumentTypeError):
            pairs(wrong)


def test_whole_numbers_have_a_lowest_value() -> None:
    assert at_least(0)("0") == 0
    for wrong in ("0", "-1", "1.5", "", "one", "9" * 30):
        with pytest.raises(argparse.ArgumentTypeError):
            at_least(1)(wrong)


def edit_of(*flags: str) -> EnvEdit | None:
    parser = Parser(prog="x")
    add_env_flags(parser)
    return EnvEdit.of(parser.parse_args(flags))


BEFORE: list[dict[str, Any]] = [
    {"name": "A", "value": "1"},
    {"name": "S", "valueSource": {"secretKeyRef": {"secret": "s"}}},
]


def after(*flags: str) -> dict[str, str]:
    edit = edit_of(*flags)
    assert edit is not None
    return {entry["name"]: entry.get("value", "(secret)") for entry in edit.apply(BEFORE)}


def test_setting_replaces_variables_and_leaves_secrets() -> None:
    assert after("--set-env-vars", "B=2") == {"S": "(secret)", "B": "2"}
    assert after("--clear-env-vars") == {"S": "(secret)"}


def test_updating_and_removing_leave_the_rest() -> None:
    assert after("--update-env-vars", "B=2", "--update-env-vars", "C=3") == {
        "A": "1",
        "S": "(secret)",
        "B": "2",
        "C": "3",
    }
    assert after("--remove-env-vars", "A", "--update-env-vars", "B=2") == {"S": "(secret)", "B": "2"}
    assert after("--clear-env-vars", "--update-env-vars", "B=2") == {"S": "(secret)", "B": "2"}


def test_no_flag_means_no_edit_and_contradictions_are_refused() -> None:
    assert edit_of() is None
    for flags in (
        ["--set-env-vars", "A=1", "--clear-env-vars"],
        ["--set-env-vars", "A=1", "--remove-env-vars", "B"],
    ):
        with pytest.raises(UsageError, match="At most one"):
            edit_of(*flags)


def test_files_of_variables_are_yaml_maps_of_texts_or_dotenv_lines(tmp_path: Path) -> None:
    yaml_file, dotenv = tmp_path / "vars.yaml", tmp_path / "x.env"
    yaml_file.write_text('A: "1"\nB: two\n')
    dotenv.write_text("# note\nexport A=1\n\nB='two words'\nC=x=y\n")
    assert read_env_file(yaml_file) == {"A": "1", "B": "two"}
    assert read_env_file(dotenv) == {"A": "1", "B": "two words", "C": "x=y"}


@pytest.mark.parametrize(
    ("name", "text"), [("a.yaml", "A: 1"), ("b.yaml", "- x"), ("c.yaml", "{"), ("d.env", "A")]
)
def test_a_wrong_file_of_variables_is_named_with_what_is_wrong(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError, match=name):
        read_env_file(path)
