"""``--filter``."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.cli.errors import UsageError
from jubako.cli.filters import parse_filter
from jubako.cli.krm import with_krm
from jubako.cli.paths import parse_keys, sort

ONE: dict[str, Any] = {
    "name": "projects/p/locations/l/jobs/ocr",
    "state": "ACTIVE",
    "taskCount": 12,
    "labels": {"team": "news"},
    "conditions": [{"type": "Completed", "state": "CONDITION_SUCCEEDED"}],
    "createTime": "2026-11-24T06:00:00Z",
}


@pytest.mark.parametrize(
    "text",
    [
        "state=active",
        "state = ACTIVE",
        "state!=FAILED",
        "name:ocr AND taskCount>=12",
        "name:ocr taskCount<13",
        "state=FAILED OR labels.team=news",
        "NOT state=FAILED",
        "NOT (state=FAILED OR taskCount=3)",
        "taskCount>9",
        'name.basename()="ocr"',
        "name~'^projects/.*r$'",
        "conditions.type=Completed",
        "metadata.name=ocr",
        "status.conditions.status=True",
        "createTime>2026-11-23",
        "labels.team:*",
        "name.basename():o*",
        "name!~news",
        "nothing!=1",
        "state=(FAILED ACTIVE)",
        "state:(failed OR act)",
        "name.segment(1)=p",
        "NOT (state=FAILED)",
    ],
)
def test_what_passes(text: str) -> None:
    assert parse_filter(text)(with_krm(ONE))


@pytest.mark.parametrize(
    "text",
    [
        "state=FAILED",
        "taskCount>12",
        "nothing=1",
        "nothing:*",
        "state=A",
        "missing<3",
        "name!~ocr",
        "state!=(ACTIVE FAILED)",
        "name:ocr*",
    ],
)
def test_what_does_not_pass(text: str) -> None:
    assert not parse_filter(text)(with_krm(ONE))


def test_and_binds_tighter_than_or() -> None:
    assert parse_filter("state=ACTIVE OR state=FAILED AND taskCount=0")(ONE)


@pytest.mark.parametrize(
    "text",
    [
        "state",
        "=x",
        "state=",
        "(state=A",
        "state=A)",
        "state==A",
        "name~'['",
        "AND",
        "(" * 200 + "a=b",
        "a=(b",
        "a=()",
        "a!b",
        "name.no()=x",
        "[-]=x",
        "[" + "9" * 5_000 + "]=x",
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--filter"):
        parse_filter(text)


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_is_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        parse_filter(text)(ONE)


def test_documents_are_sorted_by_paths_and_tilde_turns_one_round() -> None:
    documents = [{"n": 10, "s": "b"}, {"n": 9, "s": "a"}, {"n": 10, "s": "a"}, {"s": "c"}]
    assert sort(documents, parse_keys("n")) == [documents[3], documents[1], documents[0], documents[2]]
    assert sort(documents, parse_keys("~n,s")) == [documents[2], documents[0], documents[1], documents[3]]


@pytest.mark.parametrize("pattern", ["(", "(" * 5_000, "a{99999999999}", "[z-a]", "*"])
def test_a_pattern_that_is_none_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(UsageError, match="is not a regular expression"):
        parse_filter(f'name~"{pattern}"')


def test_a_pattern_that_python_wonders_about_is_taken_without_a_word() -> None:
    assert parse_filter('name~"[[a]"')({"name": "a"})
