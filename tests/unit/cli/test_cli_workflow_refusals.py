"""Every kind of refusal at deployment as ``jubako workflows check`` tells it: place, step, problem, and the mend."""

import json
from pathlib import Path

import pytest

from jubako.cli.main import main

REFUSALS = {
    "undefined variable": (
        "- a: {return: '${total}'}",
        "1:18: in step a: symbol 'total' is neither a variable nor a sub-workflow name (assign it in a step before)",
    ),
    "write to an unshared variable": (
        """\
- a: {assign: [{n: 0}]}
- b:
    parallel:
      branches:
        - one: {steps: [{c: {assign: [{n: 1}]}}]}
        - two: {steps: [{d: {assign: [{m: 1}]}}]}
""",
        (
            "5:40: in step c: variable n is not shared and cannot be written in a branch"
            " (add n to shared of the parallel step, or use another name)"
        ),
    ),
    "loop variable out of scope": (
        "- a: {for: {value: v, in: [1], steps: [{b: {assign: [{x: '${v}'}]}}]}}\n- c: {return: '${v}'}",
        (
            "2:18: in step c: symbol 'v' is neither a variable nor a sub-workflow name"
            " (it lives in step a only; there assign it to a variable from before that step)"
        ),
    ),
    "blocking call in an expression": (
        "- a: {return: '${http.get(\"https://example.com\")}'}",
        (
            "1:18: in step a: http.get is a blocking call and not allowed in an expression"
            " (make it a step: call: http.get with result)"
        ),
    ),
    "unknown step in next": (
        "- a: {next: finsh}\n- finish: {return: 1}",
        "1:13: in step a: next names an unknown step finsh (did you mean finish?)",
    ),
    "unknown function": (
        "- a: {call: sys.logg, args: {text: hi}}",
        "1:13: in step a: unknown function sys.logg (did you mean sys.log?)",
    ),
    "wrong arguments of a function": (
        "- a: {call: sys.sleep, args: {minutes: 1}}",
        "1:13: in step a: sys.sleep has no argument minutes (it takes seconds)",
    ),
    "wrong arguments of a subworkflow": (
        "main: {steps: [{a: {call: add, args: {x: 1}}}]}\nadd: {params: [x, y: 1, z], steps: [{b: {return: 1}}]}",
        "1:27: in step a: add needs argument z (it takes x, y, z)",
    ),
    "wrong number of arguments in an expression": (
        "- a: {return: '${len(1, 2)}'}",
        "1:18: in step a: len takes at most 1 arguments, 2 given (it takes value)",
    ),
    "duplicate step names": (
        "- a: {assign: [{x: 1}]}\n- a: {return: 1}",
        "2:3: in step a: duplicate step name a (rename one of them)",
    ),
    "an expression over the limit": (
        "- a: {return: '${\"" + "x" * 400 + "\"}'}",
        "1:18: in step a: bad expression: expression has 405 characters, at most 400 are allowed",
    ),
    "too many assignments": (
        f"- a: {{assign: [{', '.join(['{x: 1}'] * 51)}]}}",
        "1:15: in step a: 51 assignments in one step, at most 50 allowed (split it into several steps)",
    ),
    "a syntax error in an expression": (
        "- a: {return: '${1 + ? }'}",
        "1:22: in step a: bad expression: token recognition error at '?'",
    ),
    "unknown field": (
        "- a: {call: sys.now, arg: {}}",
        "1:22: in step a: unknown field 'arg' in a call step (known fields here: args, call, next, result)",
    ),
    "unknown connector": (
        "- a: {call: googleapis.run.v2.projects.locations.jobs.rnu, args: {name: n}}",
        (
            "1:13: in step a: unknown connector googleapis.run.v2.projects.locations.jobs.rnu"
            " (did you mean googleapis.run.v2.projects.locations.jobs.run?)"
        ),
    ),
    "jump into a block": (
        "- a: {steps: [{b: {assign: [{x: 1}]}}]}\n- c: {next: b}",
        "2:13: in step c: step b cannot be reached from here",
    ),
    "not YAML": ("- a: {return: [1, 2}", "1:20: not valid YAML: "),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_names_place_step_problem_and_mend(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, told = REFUSALS[kind]
    path = tmp_path / "flow.yaml"
    path.write_text(source)

    assert main(["workflows", "check", str(path)], {}) == 1
    assert f"{path}:{told}" in capsys.readouterr().out

    assert main(["workflows", "check", str(path), "--format", "json"], {}) == 1
    problems = json.loads(capsys.readouterr().out)
    assert all(problem["file"] == str(path) and problem["severity"] == "error" for problem in problems)
    assert any(
        f"{problem['line']}:{problem['column']}: " == told[: told.index(" ") + 1] for problem in problems
    )
    assert all(problem["message"] and problem["fix"] for problem in problems)


def test_problems_of_shape_syntax_and_meaning_are_told_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text("""\
- a: {assign: [{x: '${1 +}'}]}
- b: {return: '${nothing}'}
- b: {call: sys.logg}
- c: {next: nowhere}
""")
    assert main(["workflows", "check", str(path)], {}) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.removeprefix(f"{path}:").partition(": in step ")[0] for line in lines] == [
        "1:26",
        "2:18",
        "3:3",
        "3:13",
        "4:13",
    ]


def test_a_part_that_cannot_be_read_makes_no_problems_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text("- a: {asign: [{x: 1}]}\n- b: {call: sys.logg}\n- c: {return: '${x}'}\n")
    assert main(["workflows", "check", str(path)], {}) == 1
    told = capsys.readouterr().out
    assert "unknown field 'asign'" in told
    assert "unknown function sys.logg" in told
    assert "symbol" not in told


def test_a_warning_is_told_apart_and_does_not_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text("main:\n  params: [input]\n  steps:\n    - a: {return: { video: ${input.video} }}\n")
    assert main(["workflows", "check", str(path)], {}) == 0
    assert capsys.readouterr().out.startswith(f"{path}:4:28: warning: ${{input.video}} stands unquoted")
    assert main(["workflows", "check", str(path), "--format", "json"], {}) == 0
    (problem,) = json.loads(capsys.readouterr().out)
    assert (problem["severity"], problem["line"], problem["column"]) == ("warning", 4, 28)
