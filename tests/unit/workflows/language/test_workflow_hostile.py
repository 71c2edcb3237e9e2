"""Hostile programs end with a named error, in bounded memory and without upsetting the machine."""

import json
from typing import Any

import pytest

from jubako.boxes.workflows.language import Start, Status, advance, compile_workflow, initial_state
from jubako.boxes.workflows.language.limits import MEMORY_BYTES_MAX, STEPS_MAX
from jubako.core.errors import FailedPrecondition, InvalidArgument


@pytest.mark.parametrize(
    ("source", "tag"),
    [
        ("- a: {assign: [{s: ab}]}\n- b: {assign: [{s: '${s + s}'}], next: b}", "ResourceLimitError"),
        ("- a: {assign: [{s: é}]}\n- b: {assign: [{s: '${s + s}'}], next: b}", "ResourceLimitError"),
        ("- a: {assign: [{s: []}]}\n- b: {assign: [{s: ['${s}']}], next: b}", "ResourceLimitError"),
        ("- a: {assign: [{m: {}}]}\n- b: {assign: [{m.m: '${m}'}], next: b}", "ResourceLimitError"),
        (
            "- a: {assign: [{m: [1]}]}\n- b: {assign: [{m: ['${m}', '${m}']}], next: b}",
            "MemoryLimitExceededError",
        ),
        (
            "- a: {assign: [{l: []}]}\n- b: {assign: [{l: '${list.concat(l, 1)}'}], next: b}",
            "MemoryLimitExceededError",
        ),
        ("main: {steps: [{a: {call: f}}]}\nf: {steps: [{b: {call: f}}]}", "RecursionError"),
        (
            "main: {steps: [{a: {return: '${f()}'}}]}\nf: {steps: [{b: {return: '${1 + f()}'}}]}",
            "RecursionError",
        ),
        ("- a: {next: a}", "ResourceLimitError"),
        (
            "- a: {for: {value: v, range: [1, 9000000000000000000], steps: [{b: {assign: [{x: 1}]}}]}}",
            "ResourceLimitError",
        ),
    ],
)
def test_it_ends_with_a_named_error(run: Any, source: str, tag: str) -> None:
    assert run(source).tag == tag


def test_growth_by_replacement_is_refused_before_it_happens(run: Any) -> None:
    source = """
    - a: {assign: [{s: aaaaaaaa}, {n: 0}]}
    - b: {assign: [{s: "${s + s}"}, {n: "${n + 1}"}]}
    - c: {switch: [{condition: "${n < 14}", next: b}]}
    - d: {return: '${text.replace_all(s, "a", s)}'}
    """
    assert run(source).tag == "ResourceLimitError"


def test_a_memory_error_can_be_caught_and_leaves_the_variables_as_they_were(run: Any) -> None:
    source = """
    - a: {assign: [{l: []}, {s: "0123456789012345678901234567890123456789"}]}
    - t:
        try: {steps: [{b: {assign: [{l: "${list.concat(l, s)}"}], next: b}}]}
        except: {as: e, steps: [{c: {return: ["${len(l)}", "${e.tags[1]}"]}}]}
    """
    length, tag = run(source).result
    assert tag == "ResourceLimitError"
    assert 0.9 * MEMORY_BYTES_MAX < length * 48 <= MEMORY_BYTES_MAX


def test_the_step_limit_cannot_be_caught() -> None:
    program = compile_workflow(
        "- a: {try: {steps: [{b: {next: b}}]}, except: {steps: [{c: {return: caught}}]}}"
    )
    state, _ = advance(program, initial_state(program), Start())
    assert state.status is Status.FAILED
    assert state.steps == STEPS_MAX + 1


def test_work_on_values_is_bounded_within_one_step(run: Any) -> None:
    entries = ", ".join(['{y: "${len(json.encode(x)) + len(json.encode(x)) + len(json.encode(x))}"}'] * 50)
    grow = '- a: {assign: [{x: []}, {i: 0}]}\n- b: {assign: [{x: "${list.concat(x, 1234567)}"}, {i: "${i + 1}"}]}\n'
    grow += '- c: {switch: [{condition: "${i < 30000}", next: b}]}\n'
    ran = run(f"{grow}- d: {{assign: [{entries}]}}")
    assert ran.error["message"].endswith("step works on more than 16 MB of values")


@pytest.mark.parametrize(
    "argument",
    [json.loads("[" * 200 + "]" * 200), "x" * 300_000, 2**63, float("nan"), {1: 2}, {"a": object()}],
)
def test_a_bad_argument_is_refused_before_the_start(argument: Any) -> None:
    program = compile_workflow("main: {params: [a], steps: [{s: {return: 1}}]}")
    with pytest.raises(InvalidArgument, match="argument: "):
        initial_state(program, argument)


def test_half_a_surrogate_pair_does_not_get_in(run: Any) -> None:
    ran = run("main: {params: [a], steps: [{s: {return: '${a}'}}]}", json.loads('"\\ud800"'))
    assert ran.result == "\ufffd"


def test_maps_that_look_like_stored_bytes_stay_maps(run: Any) -> None:
    source = """
    main:
      params: [a]
      steps:
        - s: {assign: [{b: '${text.encode("hé")}'}]}
        - w: {call: sys.log, args: {text: x}}
        - r: {return: ["${a}", "${text.decode(b)}"]}
    """
    assert run(source, {"$bytes": "aGk=", "m": {"$map": {"$bytes": "x"}}}).result == [
        {"$bytes": "aGk=", "m": {"$map": {"$bytes": "x"}}},
        "hé",
    ]
    assert run(source, {"$bytes": "aGk="}).result[0] == {"$bytes": "aGk="}


def test_a_state_of_another_program_or_format_is_refused() -> None:
    from jubako.boxes.workflows.language import dump, load

    program = compile_workflow("- a: {call: sys.log, args: {text: x}}")
    state, _ = advance(program, initial_state(program), Start())
    with pytest.raises(FailedPrecondition, match="format"):
        load(program, {**dump(state), "format": 99})
    with pytest.raises(FailedPrecondition, match="a:call of main"):
        load(compile_workflow("- b: {return: 1}"), dump(state))
