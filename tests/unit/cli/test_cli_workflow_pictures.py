"""``jubako workflows graph`` and the charts of ``timeline``: pure pictures of files and answers."""

import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from jubako.boxes.workflows.language.dependence import read_source
from jubako.cli.main import main
from jubako.cli.terminal import Terminal
from jubako.cli.workflow_graph import draw
from jubako.cli.workflow_graph import svg as graph_svg
from jubako.cli.workflow_live import PlainProgress, tree
from jubako.cli.workflow_timeline import gantt, span, sums
from jubako.cli.workflow_timeline_svg import svg as chart_svg

SOURCE = """
main:
  params: [input]
  steps:
    - start: {assign: [{n: 0}]}
    - look:
        switch:
          - condition: ${n < 3}
            next: both
          - condition: ${n == 9}
            return: "no <b>"
        next: finish
    - both:
        parallel:
          branches:
            - left: {steps: [{a: {call: sys.sleep, args: {seconds: 1}}}]}
            - right: {steps: [{b: {call: helper}}]}
    - again:
        for:
          value: v
          in: [1, 2]
          steps:
            - skip: {switch: [{condition: "${v == 1}", next: continue}], next: break}
    - guarded:
        try: {call: http.get, args: {url: "https://x.test"}}
        except: {as: e, steps: [{log: {call: sys.log, args: {data: "${e}"}}}]}
    - finish: {return: "${n}"}
helper:
  steps:
    - only: {return: 1}
"""


def test_a_graph_has_every_step_and_its_edges_join_what_is_there() -> None:
    main_graph, helper = draw(read_source(SOURCE))
    names = [spot.name for spot in main_graph.spots]
    assert len(names) == len(set(names))
    assert all(edge.start in names and edge.end in names for edge in main_graph.edges)
    ways = {(edge.start, edge.end) for edge in main_graph.edges}
    assert {
        ("main/start", "main/look"),
        ("main/look", "main/both"),
        ("main/both", "main/both/left/a"),
        ("main/both/right/b", "main/again"),
        ("main/look", "main/finish"),
        ("main/guarded/except/log", "main/finish"),
    } <= ways
    assert [spot.label for spot in helper.spots] == ["only: return"]


def test_continue_goes_back_to_the_loop_and_break_past_it() -> None:
    graph = draw(read_source(SOURCE))[0]
    ways = {(edge.start, edge.end) for edge in graph.edges}
    assert ("main/again/skip", "main/again") in ways
    assert ("main/again/skip", "main/guarded") in ways


@pytest.mark.parametrize("kind", ["mermaid", "svg"])
def test_pictures_are_well_formed(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(SOURCE)
    assert main(["workflows", "graph", str(path), "--format", kind], {}) == 0
    told = capsys.readouterr().out
    if kind == "svg":
        ET.fromstring(told)
    else:
        assert told.startswith("flowchart TD")
        assert len(re.findall("subgraph", told)) == 2


def test_a_graph_of_a_refused_file_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("main: {steps: [{a: {return: '${nope}'}}]}")
    assert main(["workflows", "graph", str(path)], {}) == 1
    assert "nope" in capsys.readouterr().err


def test_check_takes_several_files_and_tells_them_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(SOURCE)
    bad.write_text("main: {steps: [{a: {return: '${nope}'}}]}")
    assert main(["workflows", "check", str(good), str(bad), "--format", "json"], {}) == 1
    (problem,) = json.loads(capsys.readouterr().out)
    assert (problem["file"], problem["line"], problem["severity"], problem["step"]) == (
        str(bad),
        1,
        "error",
        "a",
    )
    assert main(["workflows", "check", str(good), "--format", "json"], {}) == 0
    assert json.loads(capsys.readouterr().out) == []


def step(
    name: str, begin: float, seconds: float, *, critical: bool, state: str = "SUCCEEDED"
) -> dict[str, object]:
    return {
        "name": name,
        "state": state,
        "offsetSeconds": begin,
        "seconds": seconds,
        "isCritical": critical,
    }


CHART = {
    "execution": "projects/p/locations/l/workflows/w/executions/e1",
    "state": "SUCCEEDED",
    "seconds": 10.0,
    "oneAfterAnotherSeconds": 14.0,
    "savedSeconds": 4.0,
    "lowerBoundSeconds": 10.0,
    "criticalPath": ["main/both/left/a#0"],
    "independent": [["x", "y"]],
    "steps": [
        step("main/both/left/a#0", 0, 10, critical=True),
        step("main/both/right/b#0", 0, 4, critical=False, state="FAILED"),
    ],
}


def test_a_chart_marks_the_critical_path_and_tells_what_was_saved() -> None:
    lines = list(gantt(CHART, Terminal(io.StringIO(), {})))
    assert lines[1].startswith("* both/left/a ")
    assert lines[1].count("\N{FULL BLOCK}") > 2 * lines[2].count("\N{MEDIUM SHADE}") > 0
    assert any("saved 4.0 s (29%)" in line for line in lines)
    assert any(line.startswith("x and y use none") for line in lines)
    ET.fromstring(chart_svg(CHART))


def test_steps_of_which_no_two_need_each_other_are_told_in_one_sentence() -> None:
    pairs = [["a", "b"], ["a", "c"], ["b", "c"], ["c", "d"]]
    told = [
        line.partition(" use none")[0] for line in sums({**CHART, "independent": pairs}) if "use none" in line
    ]
    assert told == ["a, b and c", "c and d"]


def test_of_a_long_critical_path_the_ends_are_named() -> None:
    path = [f"main/s{number}#0" for number in range(5_000)]
    (line,) = [line for line in sums({**CHART, "criticalPath": path}) if line.startswith("Critical path")]
    assert line.startswith("Critical path (*): s0 -> s1 -> ")
    assert " -> ... 4,988 more ... -> s4994 -> " in line


def test_long_names_are_cut_in_pictures_and_whole_in_their_tooltips() -> None:
    name = "a_step_whose_name_is_much_too_long_for_any_box"
    chart = {**CHART, "steps": [step(f"main/{name}#0", 0, 10, critical=True)]}
    graph = graph_svg(draw(read_source(f"- {name}: {{return: 1}}")))
    for picture in (chart_svg(chart), graph):
        texts = [part.text or "" for part in ET.fromstring(picture).iter() if part.tag.endswith("}text")]
        assert max(len(text) for text in texts if text.startswith("a_step")) <= 38
    assert f"<title>{name}</title>" in chart_svg(chart)


def test_in_a_pipe_a_line_tells_of_each_change_at_most_every_two_seconds() -> None:
    times, out = iter([0.0, 0.1, 1.9, 2.1, 5.0, 6.0]), io.StringIO()
    progress = PlainProgress(Terminal(out, {}), monotonic=lambda: next(times))
    for at in ("a", "b", "b", "b", "c"):
        execution = {"name": "executions/e", "state": "ACTIVE", "status": {"currentSteps": [{"step": at}]}}
        progress.show(execution)
    assert out.getvalue() == "e: active at /b\ne: active at /c\n"


def entry(step: str, depth: int, kind: str = "ASSIGN", **more: object) -> dict[str, object]:
    base = {"step": step, "type": f"STEP_{kind}", "state": "STATE_SUCCEEDED", "depth": depth, "number": 0}
    return {**base, "seconds": 0.0, **more}


STEPS = [
    entry("loop", 0, "FOR", state="STATE_IN_PROGRESS", seconds=3.0),
    entry("loop", 1, "FOR_ITERATION", number=2, seconds=1.5),
    entry("read", 2, "STD_LIB_CALL", state="STATE_FAILED", seconds=0.25),
]


def test_the_live_tree_shows_what_is_inside_of_what_with_times() -> None:
    assert tree(STEPS, Terminal(io.StringIO(), {}), 10) == [
        "  \N{BLACK RIGHT-POINTING TRIANGLE} loop  3.0 s",
        "    \N{CHECK MARK} iteration 2  1.5 s",
        "      \N{BALLOT X} read  250 ms",
    ]


def test_a_tree_that_is_too_high_loses_its_top() -> None:
    lines = tree(STEPS, Terminal(io.StringIO(), {}), 2)
    assert lines == ["  \N{HORIZONTAL ELLIPSIS}", "      \N{BALLOT X} read  250 ms"]


def test_spans_are_short() -> None:
    assert [span(seconds) for seconds in (0.0003, 0.25, 5, 125, 3725)] == [
        "0.3 ms",
        "250 ms",
        "5.0 s",
        "2:05",
        "1:02:05",
    ]
