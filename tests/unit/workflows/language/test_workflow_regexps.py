"""Regular expressions of the language: leftmost-longest, by characters, bounded."""

import time

import pytest

from jubako.boxes.workflows.language.errors import Raised
from jubako.boxes.workflows.language.library.regexps import find_all_regex, match_regex, replace_all_regex


def test_the_longest_of_the_leftmost_matches_counts():
    assert find_all_regex("xabcd", "(a|ab)(c|bcd)") == [{"index": 1, "match": "abcd"}]


def test_indexes_count_characters_not_bytes():
    assert find_all_regex("字幕の字", "字") == [{"index": 0, "match": "字"}, {"index": 3, "match": "字"}]


def test_match_regex_searches():
    assert match_regex("a long text", "long") is True
    assert match_regex("a long text", "^long") is False


def test_an_empty_expression_matches_between_all_characters():
    assert replace_all_regex("字幕", "", "-") == "-字-幕-"


def test_an_empty_match_behind_a_match_does_not_count():
    assert find_all_regex("baaac", "a*") == [
        {"index": 0, "match": ""},
        {"index": 1, "match": "aaa"},
        {"index": 5, "match": ""},
    ]


def test_a_replacement_is_literal():
    assert replace_all_regex("a1b22", "([0-9]+)", r"<\1$1>") == r"a<\1$1>b<\1$1>"


@pytest.mark.parametrize("regexp", ["(", "a{1001}", r"\1", "(?=a)", "[z-a]", "x" * 5000, "\ud800"])
def test_what_re2_does_not_have_is_a_value_error(regexp):
    with pytest.raises(Raised) as refused:
        match_regex("text", regexp)
    assert refused.value.value["tags"] == ["ValueError"]


def test_another_type_is_a_type_error():
    with pytest.raises(Raised) as refused:
        match_regex("text", 5)
    assert refused.value.value["tags"] == ["TypeError"]


@pytest.mark.parametrize(
    ("regexp", "source"),
    [
        ("(x+x+)+y", "x" * 262_144),
        ("a.*c|a", "ab" * 131_072),
        ("(([ab]{0,30}){0,30})c", "ab" * 131_072),
        ("([ab]*a[ab]{500}c|a[ab]{300}c|d)", "ab" * 100_000),
    ],
)
def test_a_costly_expression_ends_in_bounded_time(regexp, source):
    begun = time.process_time()
    try:
        find_all_regex(source, regexp)
    except Raised as refused:
        assert refused.value["tags"] == ["ResourceLimitError"]  # noqa: PT017 - either end is right, quickly
    assert time.process_time() - begun < 10


def test_growth_is_refused_before_the_memory_is_used():
    with pytest.raises(Raised) as refused:
        replace_all_regex("a" * 1000, "a", "b" * 100_000)
    assert refused.value.value["tags"] == ["ResourceLimitError"]
