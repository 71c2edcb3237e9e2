"""``--format`` and what stands in a table."""

import io
import json
from typing import Any

import pytest

from jubako.cli.errors import UsageError
from jubako.cli.formats import Columns, parse_format
from jubako.cli.krm import with_krm
from jubako.cli.paths import parse_path
from jubako.cli.tables import table
from jubako.cli.terminal import Live, Terminal, clean, clip, pad, width
from jubako.cli.times import clock

JOB = {
    "name": "projects/p/locations/l/jobs/hello",
    "template": {"taskCount": 3, "template": {"containers": [{"env": [{"name": "A"}, {"name": "B"}]}]}},
    "conditions": [{"type": "Ready", "state": "CONDITION_SUCCEEDED"}],
    "reconciling": False,
    "labels": {"b": "2", "a": "1"},
    "createTime": "2026-11-24T06:00:00.123Z",
}


class Screen(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True


def pipe() -> Terminal:
    return Terminal(io.StringIO(), {})


def shown(text: str, value: Any) -> list[str]:
    return list(parse_format(text).lines(value, pipe()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("template.taskCount", "3"),
        ("name.basename()", "hello"),
        ("conditions[0].state", "CONDITION_SUCCEEDED"),
        ("conditions[7].state", ""),
        ("nothing.at.all", ""),
        ("reconciling", "False"),
        ("template.template.containers[0].env.name", "A;B"),
        ("metadata.name", "hello"),
        ("metadata.namespace", "p"),
        ("status.conditions[0].status", "True"),
        ("spec.template.taskCount", "3"),
        ("spec.template.spec.taskCount", "3"),
        ("spec.template.spec.template.spec.containers[0].env[].name", "A;B"),
        ("template.template.containers[0].env[-1].name", "B"),
        ("name.segment(1)", "p"),
        ("name.segment(99)", ""),
        ("name.scope(locations)", "l"),
        ("name.split('/').len()", "6"),
        ("template.template.containers[0].env.extract(name).join(' and ')", "A and B"),
        ("labels.list()", "a=1,b=2"),
        ("reconciling.yesno(yes='busy', no='quiet')", "quiet"),
        ("nothing.yesno(no='-')", "-"),
        ("firstof(nothing, name).basename()", "hello"),
        ("createTime.date('%d.%m.%Y, %H:%M')", "24.11.2026, 06:00"),
        ("name.date()", ""),
    ],
)
def test_value_reads_paths_of_both_shapes(path: str, value: str) -> None:
    assert shown(f"value({path})", with_krm(JOB)) == [value]


def test_value_of_a_list_is_a_line_for_each_item_with_tabs_between_paths() -> None:
    assert shown("value(name,n)", [{"name": "a", "n": 1}, {"name": "b"}]) == ["a\t1", "b\t"]


def test_csv_has_a_heading_and_quotes_what_it_must() -> None:
    rows = [{"name": "p/a", "n": 'say "hi", you'}, {"name": "b"}]
    assert shown("csv(name.basename():label=JOB,n)", rows) == ["job,n", 'a,"say ""hi"", you"', "b,"]
    assert shown("csv[no-heading](name)", rows) == ["p/a", "b"]
    assert shown("value[separator=':'](name,n)", rows[1:]) == ["b:"]


def test_json_and_yaml_hold_the_whole_document_and_nothing_more() -> None:
    (text,) = shown("json", with_krm(JOB))
    assert json.loads(text) == JOB
    assert shown("yaml", with_krm({"a": [1]})) == ["a:\n- 1"]
    assert shown("yaml", [{"a": 1}, {"a": 2}]) == ["---", "a: 1", "---", "a: 2"]


def test_json_and_yaml_of_paths_keep_their_nesting() -> None:
    (text,) = shown(
        "json(name.basename(), template.template.containers.env.name, conditions[0].state, nothing)", JOB
    )
    env = [{"name": "A"}, {"name": "B"}]
    assert json.loads(text) == {
        "name": "hello",
        "template": {"template": {"containers": [{"env": env}]}},
        "conditions": [{"state": "CONDITION_SUCCEEDED"}],
    }
    (text,) = shown("json(labels.a,labels.b,template.taskCount)", [JOB])
    assert json.loads(text) == [{"labels": {"a": "1", "b": "2"}, "template": {"taskCount": 3}}]
    assert shown("yaml(name.basename())", [JOB]) == ["---", "name: hello"]
    assert json.loads(shown("json(nothing)", JOB)[0]) == {}


def test_the_formats_of_few_words() -> None:
    assert shown("get(name.basename())", JOB) == ["hello"]
    assert shown("list(name.basename(),reconciling)", [JOB, JOB]) == [" - hello", "   False"] * 2
    assert shown("list", {"b": 1, "a": [2]}) == [" - a: 2", "   b: 1"]
    assert shown("flattened(labels,conditions.type)", [JOB]) == [
        "---", "conditions[0].type: Ready", "labels.a:           1", "labels.b:           2",
    ]  # fmt: skip
    assert shown("table[no-heading,box](labels.a,name.basename())", [JOB]) == ["1  hello"]


def test_columns_say_how_documents_are_sorted() -> None:
    rows = [{"n": 10, "s": "b"}, {"n": 9, "s": "a"}, {"n": 10, "s": "a"}]
    assert shown("value[separator=' '](n:sort=1:reverse, s:sort=2)", rows) == ["10 a", "10 b", "9 a"]
    assert shown("csv(n:label=N:wrap,s:sort=1)", rows[:2]) == ["n,s", "9,a", "10,b"]


def test_a_list_is_flattened_into_documents_of_their_own() -> None:
    document = with_krm({"name": "j", "template": {"containers": [{"image": "a"}, {"image": "b"}]}})
    for key in ("template.containers[]", "spec.template.spec.containers"):
        spread = list(parse_path(key).spread(document))
        assert [parse_path(f"{key}.image").read(one) for one in spread] == ["a", "b"]
    assert document["template"] == {"containers": [{"image": "a"}, {"image": "b"}]}
    nested = {"a": [{"b": [1, 2]}, {"b": []}, {"b": [3]}, {}]}
    assert [parse_path("a.b").read(one) for one in parse_path("a[].b[]").spread(nested)] == [
        1,
        2,
        None,
        3,
        None,
    ]
    assert list(parse_path("nothing[]").spread(with_krm({"name": "j"}))) == [{"name": "j", "nothing": None}]


def test_table_columns_can_be_labelled() -> None:
    lines = shown("table(name.basename():label=JOB, template.taskCount:label='TASK COUNT')", [JOB])
    assert lines == ["JOB    TASK COUNT", "hello  3"]


@pytest.mark.parametrize(
    "text",
    [
        "xml",
        "value()",
        "value(a..b)",
        "value(a.nosuch())",
        "table",
        "csv()",
        "value(a",
        "none(a)",
        "value(a:color=red)",
        "value(a.date(1,2,3,4))",
    ],
)
def test_an_unknown_format_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="--format"):
        parse_format(text)


def test_an_empty_list_says_so() -> None:
    assert list(Columns([parse_path("name")]).lines([], pipe())) == ["Listed 0 items."]


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert width("収穫祭") == 6
    assert width("cafe\u0301") == 4
    assert width("\x1b[31mred\x1b[0m") == 3
    assert pad("収", 4) == "収  "
    assert clip("収穫祭のお知らせ", 7) == "収穫祭…"
    assert clip("収穫祭のお知らせ", 6) == "収穫…"
    assert clip("short", 5) == "short"


def test_tables_line_up_with_wide_characters_and_shrink_to_the_terminal() -> None:
    lines = table(["TELOP", "KIND"], [["収穫祭", "ok"], ["abc", "name"]], pipe())
    assert lines == ["TELOP   KIND", "収穫祭  ok", "abc     name"]
    narrow = Terminal(Screen(), {"COLUMNS": "80", "NO_COLOR": "1"})
    wide = table(["A", "B"], [["x" * 100, "y"]], narrow)
    assert all(width(line) <= narrow.columns for line in wide)
    assert wide[1].endswith("…  y")


def test_text_from_outside_cannot_drive_the_terminal() -> None:
    assert "\x1b" not in clean("\x1b[2Jgone\x07\x9b\u202e")
    assert table(["A"], [["a\x1b[31mb\nc"]], pipe())[1] == "a\N{REPLACEMENT CHARACTER}[31mb c"


def test_a_block_is_drawn_again_in_place_on_a_terminal_and_not_at_all_in_a_pipe() -> None:
    screen = Screen()
    live = Live(Terminal(screen, {}))
    live.draw(["one", "two"])
    live.draw(["three"])
    assert "\x1b[2A" in screen.getvalue()
    quiet = pipe()
    Live(quiet).draw(["one"])
    assert quiet.stream.getvalue() == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_for_terminals_whose_owner_has_not_said_no(environ: dict[str, str], coloured: bool) -> None:
    assert ("\x1b" in Terminal(Screen(), environ).paint("x", "red")) is coloured
    assert pipe().paint("x", "red") == "x"


def test_spans_read_as_clocks() -> None:
    from datetime import timedelta

    assert [clock(timedelta(seconds=seconds)) for seconds in (0, 42, 725, 3723)] == [
        "0:00",
        "0:42",
        "12:05",
        "1:02:03",
    ]
    assert clock(None) == "-"
