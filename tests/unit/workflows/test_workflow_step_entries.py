"""Step entries: what a traced program tells about its steps."""

from collections.abc import Mapping
from typing import Any

from jubako.boxes.workflows.history import History
from jubako.boxes.workflows.language import EffectDone, EffectFailed, compile_workflow, error_map
from jubako.boxes.workflows.step_entries import Entry


def recorded(source: str, *outcomes: Any, argument: Any = None, detailed: bool = False) -> list[Entry]:
    """Return the entries of a run; outcome n comes n seconds after the start."""
    history = History(compile_workflow(source), argument, 0, detailed=detailed)
    for number, outcome in enumerate(outcomes, start=1):
        history.feed(number * 1_000_000, outcome)
    return history.steps.entries


def tree(entries: list[Entry], parent: int = 0) -> list[Any]:
    """Return entries as nested lists of ``step TYPE STATE`` without Google's prefixes."""
    found: list[Any] = []
    for entry in entries:
        if entry.parent == parent:
            kind = entry.type.removeprefix("STEP_")
            number = f" {entry.progress[1]}" if entry.progress else ""
            found.append(f"{entry.step} {kind}{number} {entry.state.removeprefix('STATE_')}")
            if inner := tree(entries, entry.id):
                found.append(inner)
    return found


def test_each_kind_of_leaf_has_an_entry_of_its_type() -> None:
    entries = recorded("""
main:
  steps:
    - a: {assign: [{x: 1}]}
    - b: {call: text.to_upper, args: {source: x}, result: y}
    - c: {call: sub}
    - d: {next: e}
    - e: {return: "${x}"}
sub:
  steps:
    - inner: {assign: [{z: 1}]}
""")
    assert tree(entries) == [
        "a ASSIGN SUCCEEDED",
        "b STD_LIB_CALL SUCCEEDED",
        "c SUBWORKFLOW_CALL SUCCEEDED",
        ["inner ASSIGN SUCCEEDED"],
        "d GOTO SUCCEEDED",
        "e RETURN SUCCEEDED",
    ]
    assert [(entry.previous, entry.next) for entry in entries if not entry.parent] == [
        (0, 2),
        (1, 3),
        (2, 5),
        (3, 6),
        (5, 0),
    ]


def test_a_step_lasts_from_its_begin_to_the_outcome_it_waited_for() -> None:
    source = (
        "[{a: {call: sys.sleep, args: {seconds: 1}}}, {b: {call: http.get, args: {url: 'https://x.test'}}}]"
    )
    first, second = recorded(source, EffectDone("main/a#0"))
    assert (first.created, first.updated, first.state) == (0, 1_000_000, "STATE_SUCCEEDED")
    assert (second.created, second.state) == (1_000_000, "STATE_IN_PROGRESS")


def test_loops_have_an_entry_for_each_iteration_and_a_jump_out_ends_them() -> None:
    source = """
main:
  steps:
    - loop:
        for:
          value: v
          range: [1, 5]
          steps:
            - look: {switch: [{condition: "${v == 2}", next: break}]}
            - work: {assign: [{x: "${v}"}]}
    - done: {return: ok}
"""
    assert tree(recorded(source)) == [
        "loop FOR SUCCEEDED",
        [
            "loop FOR_ITERATION 1 SUCCEEDED",
            ["look SWITCH SUCCEEDED", "work ASSIGN SUCCEEDED"],
            "loop FOR_ITERATION 2 SUCCEEDED",
            ["look SWITCH SUCCEEDED", ["look CONDITION 1 SUCCEEDED"]],
        ],
        "done RETURN SUCCEEDED",
    ]


RETRIED = """
main:
  steps:
    - careful:
        try: {call: http.get, args: {url: "https://x.test"}}
        retry:
          predicate: "${http.default_retry_predicate}"
          max_retries: 1
          backoff: {initial_delay: 1, max_delay: 1, multiplier: 1}
        except:
          as: e
          steps:
            - mend: {assign: [{x: "${e.message}"}]}
    - done: {return: "${x}"}
"""


def test_a_try_tells_its_retries_and_its_handler_apart() -> None:
    gone = error_map("HttpError", "gone", code=503)
    entries = recorded(
        RETRIED,
        EffectFailed("main/careful#0", gone),
        EffectDone("main/careful~retry#0"),
        EffectFailed("main/careful#1", gone),
    )
    assert tree(entries) == [
        "careful TRY_RETRY_EXCEPT SUCCEEDED",
        [
            "careful TRY FAILED",
            ["careful STD_LIB_CALL FAILED"],
            "careful RETRY 1 FAILED",
            ["careful STD_LIB_CALL FAILED"],
            "careful EXCEPT SUCCEEDED",
            ["mend ASSIGN SUCCEEDED"],
        ],
        "done RETURN SUCCEEDED",
    ]
    failed = entries[2]
    assert failed.payload is not None
    assert '"gone"' not in failed.payload
    assert "HttpError: gone" in failed.payload


def test_branches_are_told_apart_by_their_threads() -> None:
    source = """
main:
  steps:
    - both:
        parallel:
          branches:
            - one: {steps: [{x: {call: sys.sleep, args: {seconds: 1}}}, {z: {raise: no}}]}
            - two: {steps: [{y: {call: sys.sleep, args: {seconds: 1}}}]}
"""
    entries = recorded(source, EffectDone("main/both/one/x#0"), EffectDone("main/both/two/y#0"))
    assert tree(entries) == [
        "both PARALLEL_BRANCH FAILED",
        [
            "one PARALLEL_BRANCH_ENTRY 1 FAILED",
            ["x STD_LIB_CALL SUCCEEDED", "z RAISE FAILED"],
            "two PARALLEL_BRANCH_ENTRY 2 SUCCEEDED",
            ["y STD_LIB_CALL SUCCEEDED"],
        ],
    ]
    assert entries[1].payload == '"no"'
    assert {entry.thread for entry in entries} == {"main", "main/both/one", "main/both/two"}


def test_a_parallel_loop_has_iterations_too() -> None:
    source = """
main:
  steps:
    - all:
        parallel:
          for:
            value: v
            in: [a, b]
            steps: [{w: {assign: [{x: "${v}"}]}}]
"""
    assert tree(recorded(source)) == [
        "all PARALLEL_FOR SUCCEEDED",
        [
            "all FOR_ITERATION 1 SUCCEEDED",
            ["w ASSIGN SUCCEEDED"],
            "all FOR_ITERATION 2 SUCCEEDED",
            ["w ASSIGN SUCCEEDED"],
        ],
    ]


def test_an_error_nobody_handles_ends_every_entry_around_it() -> None:
    source = """
main:
  steps:
    - outer: {steps: [{inner: {call: sub}}]}
sub:
  steps:
    - deep: {assign: [{x: "${1 / 0}"}]}
"""
    assert tree(recorded(source)) == [
        "outer TYPE_UNSPECIFIED FAILED",
        ["inner SUBWORKFLOW_CALL FAILED", ["deep ASSIGN FAILED"]],
    ]


def test_a_step_that_jumps_to_itself_is_a_new_entry_each_time() -> None:
    source = """
main:
  steps:
    - a: {assign: [{n: 0}]}
    - b:
        assign: [{n: "${n + 1}"}]
        next: c
    - c: {switch: [{condition: "${n < 3}", next: b}]}
"""
    steps = [entry.step for entry in recorded(source) if entry.type == "STEP_ASSIGN"]
    assert steps == ["a", "b", "b", "b"]


def test_a_call_inside_an_expression_is_inside_of_its_step() -> None:
    source = """
main:
  steps:
    - a: {assign: [{x: "${sub() + sub()}"}, {y: "${sub()}"}]}
sub: {steps: [{r: {return: 1}}]}
"""
    assert tree(recorded(source)) == ["a ASSIGN SUCCEEDED", ["r RETURN SUCCEEDED"] * 3]


def detailed(entries: list[Entry]) -> Mapping[str, Any]:
    return {entry.step: entry.variables for entry in entries}


def test_details_are_recorded_only_if_they_are_wanted() -> None:
    source = """
main:
  params: [n]
  steps:
    - a: {assign: [{x: "${n + 1}"}]}
    - loop: {for: {value: v, in: [1, 2, 3], steps: [{b: {assign: [{big: "${x}"}]}}]}}
"""
    assert set(detailed(recorded(source, argument=1)).values()) == {None}
    entries = recorded(source, argument=1, detailed=True)
    assert detailed(entries)["a"] == '{"n": 1, "x": 2}'
    assert next(entry for entry in entries if entry.type == "STEP_FOR").expected == 3
    assert entries[3].variables == '{"n": 1, "x": 2, "v": 1, "big": 2}'
