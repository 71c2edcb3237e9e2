"""Limits are enforced before the memory is used, and before the time: both are measured here."""

import time
import tracemalloc
from typing import Any, cast

import pytest

from jubako.boxes.workflows.language import (
    Continue,
    Event,
    Start,
    State,
    Status,
    advance,
    compile_workflow,
    initial_state,
)
from jubako.boxes.workflows.language.limits import MEMORY_BYTES_MAX, RESULT_BYTES_MAX

MB = 2**20
SLICE_S = 5.0
"""A step that works until it is refused takes a quarter of a second where nothing else runs."""


def many(item: str, count: int) -> str:
    return f"[{', '.join([item] * count)}]"


def refers(name: str, count: int) -> str:
    """Return a list that names a variable so many times."""
    return many(f"'${{{name}}}'", count)


def often(expression: str) -> str:
    """Return a step that evaluates an expression fifty times."""
    assignment = f"{{x: '${{{expression}}}'}}"
    return f"- d: {{assign: {many(assignment, 50)}}}"


FULL = f"""
- zero: {{assign: [{{m: {many("1", 16)}}}]}}
- one: {{assign: [{{m: {refers("m", 16)}}}]}}
- two: {{assign: [{{m: {refers("m", 16)}}}]}}
- three: {{assign: [{{m: {refers("m", 8)}}}]}}
"""
"""``m`` holds 32,768 numbers in lists of lists, which take half of the memory."""
EMPTY = f"""
- zero: {{assign: [{{e: []}}]}}
- one: {{assign: [{{e: {refers("e", 16)}}}]}}
- two: {{assign: [{{e: {refers("e", 16)}}}]}}
- three: {{assign: [{{e: {refers("e", 64)}}}]}}
"""
"""``e`` holds 16,384 empty lists, which are dear to go over."""
HUGE = refers("m", 4_000)
MEMORY, RESULT, LIMIT = "MemoryLimitExceededError", "ResultSizeLimitExceededError", "ResourceLimitError"
DEEP = """
- zero: {assign: [{m: []}, {i: 0}]}
- one: {assign: [{m: "${list.concat(m, 1)}"}, {i: "${i + 1}"}]}
- two: {switch: [{condition: "${i < 20000}", next: one}]}
- three: {assign: [{i: 0}]}
- four: {assign: [{m: ["${m}"]}, {i: "${i + 1}"}]}
- five: {switch: [{condition: "${i < 90}", next: four}]}
"""
MAPS = """
- zero: {assign: [{m: {}}, {i: 0}]}
- one: {assign: [{"m[string(i)]": {x: {}}}, {i: "${i + 1}"}]}
- two: {switch: [{condition: "${i < 3000}", next: one}]}
"""
CASES = {
    "a variable": (FULL + f"- d: {{assign: [{{x: {HUGE}}}]}}", MEMORY),
    "a place in a variable": (FULL + f"- d: {{assign: [{{x: {{}}}}, {{x.y: {HUGE}}}]}}", MEMORY),
    "the result": (FULL + f"- d: {{return: {HUGE}}}", RESULT),
    "what is raised": (FULL + f"- d: {{raise: {{x: {HUGE}}}}}", MEMORY),
    "a line of the log": (FULL + f"- d: {{call: sys.log, args: {{data: {HUGE}}}}}", MEMORY),
    "a body": (FULL + f"- d: {{call: http.post, args: {{url: u, body: {HUGE}}}}}", MEMORY),
    "a list to go through": (
        FULL + f"- d: {{for: {{value: v, in: {HUGE}, steps: [{{s: {{assign: [{{x: 1}}]}}}}]}}}}",
        MEMORY,
    ),
    "a list to go through side by side": (
        FULL
        + f"- d: {{parallel: {{for: {{value: v, in: {HUGE}, steps: [{{s: {{assign: [{{x: 1}}]}}}}]}}}}}}",
        MEMORY,
    ),
    "text of what is there many times": (
        FULL + f"- d: {{call: json.encode, args: {{data: {HUGE}}}}}",
        MEMORY,
    ),
    "indents": (
        DEEP + f"- d: {{call: json.encode, args: {{data: '${{m}}', indent: {{indent: '{' ' * 100}'}}}}}}",
        LIMIT,
    ),
    "answers of one expression": (
        "main: {steps: [{a: {return: '${[" + ", ".join(["f()"] * 60) + "]}'}}]}\n"
        f"f: {{steps: [{{b: {{assign: [{{q: {many('0', 2000)}}}]}}}}, {{c: {{return: {refers('q', 25)}}}}}]}}",
        MEMORY,
    ),
    "loops within calls": (
        (
            "main: {steps: [{a: {call: f, args: {n: 15}}}]}\n"
            f"f: {{params: [n], steps: [{{b: {{for: {{value: v, in: {many('0', 9000)}, "
            "steps: [{c: {call: f, args: {n: '${n - 1}'}}}]}}}]}"
        ),
        MEMORY,
    ),
}
DEAR = {
    "comparing": (EMPTY + "- c: {assign: [{f: '${e}'}]}\n" + often(" and ".join(["(e==f)"] * 30)), LIMIT),
    "looking for": (
        EMPTY + "- c: {assign: [{f: ['${e}']}]}\n" + often(" and ".join(["(e in f)"] * 25)),
        LIMIT,
    ),
    "merging": (MAPS + often(" + ".join(["len(map.merge_nested(m, m))"] * 12)), LIMIT),
}


def ended(source: str) -> tuple[State, float]:
    """Return the state at rest, and the seconds of the longest slice."""
    program = compile_workflow(source)
    state = initial_state(program)
    longest, event = 0.0, cast("Event", Start())
    while True:
        begin = time.process_time()
        advance(program, state, event, slice_steps=5_000)
        longest = max(longest, time.process_time() - begin)
        if not state.ready or state.status is not Status.ACTIVE:
            return state, longest
        event = Continue()


@pytest.mark.parametrize("what", CASES)
def test_it_is_refused_before_it_takes_memory(what: str) -> None:
    source, tag = CASES[what]
    tracemalloc.start()
    try:
        state, _ = ended(source)
        assert tracemalloc.get_traced_memory()[1] < 24 * MB
    finally:
        tracemalloc.stop()
    assert state.status is Status.FAILED
    assert state.error_value["tags"][0] == tag, state.error_value


@pytest.mark.parametrize("what", DEAR)
def test_it_is_refused_before_it_takes_time(what: str) -> None:
    source, tag = DEAR[what]
    state, longest = ended(source)
    assert state.status is Status.FAILED
    assert state.error_value["tags"][0] == tag, state.error_value
    assert longest < SLICE_S


def test_errors_of_many_branches_share_the_memory_and_the_last_ones_say_so() -> None:
    state, _ = ended(
        FULL + "- d: {parallel: {for: {value: v, range: [1, 200], "
        "steps: [{r: {raise: {v: '${v}', m: ['${m[0]}']}}}]}}}"
    )
    error = state.error_value
    assert (error["tags"], error["truncated"], len(error["branches"])) == (
        ["UnhandledBranchError"],
        True,
        100,
    )
    payloads = [branch["error"]["payload"] for branch in error["branches"]]
    assert payloads[0]["v"] == 1
    assert payloads[-1]["message"] == "MemoryLimitExceededError: no room is left for this error"


def test_memory_of_loops_and_errors_is_given_back(run: Any) -> None:
    source = (
        FULL
        + """
- d: {for: {value: v, in: "${m}", steps: [{s: {assign: [{x: 1}]}}]}}
- p:
    try: {parallel: {for: {value: v, in: "${m}", steps: [{s: {raise: "no"}}]}}}
    except: {as: error, steps: [{c: {assign: [{error: null}]}}]}
- l: {for: {value: v, in: "${m}", steps: [{s: {next: w}}]}}
- w: {call: sys.log, args: {text: x}}
- g: {assign: [{m: null}]}
"""
    )
    program = compile_workflow(source)
    state = initial_state(program)
    advance(program, state, Start())
    assert state.held == 0
    (frame,) = state.threads["main"].frames
    assert state.bytes == frame.bytes == sum(frame.sizes.get(k, 8) + 8 + len(k) for k in frame.vars)
    assert state.bytes > 0.4 * MEMORY_BYTES_MAX
    assert run(source).result is None


def test_a_result_as_large_as_the_memory_is_the_limit(run: Any) -> None:
    text = "x" * 100
    grow = (
        f"- a: {{assign: [{{l: []}}, {{i: 0}}]}}\n- b: {{assign: [{{l: '${{list.concat(l, \"{text}\")}}'}}, "
    )
    grow += "{i: '${i + 1}'}]}\n- c: {switch: [{condition: '${i < 2500}', next: b}]}\n"
    assert len(run(grow + "- d: {return: '${l}'}").result) == 2500
    caught = grow + "- d: {try: {return: ['${l}', '${l}']}, except: {as: e, steps: [{h: {return: '${e}'}}]}}"
    error = run(caught).result
    assert error["tags"] == ["ResultSizeLimitExceededError", "ResourceLimitError"]
    assert str(RESULT_BYTES_MAX) in error["message"]
