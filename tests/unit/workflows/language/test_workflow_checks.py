"""What is refused at deploy: where, what, and how to mend it."""

from typing import Any

import pytest

from jubako.boxes.workflows.language import SourceRefused, compile_workflow

WARM = "- w: {assign: [{v: 1}, {m: {}}]}\n"


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("- a: {assign: [{x: 1}], bogus: 2}", "2:25: in step a: unknown field 'bogus' in a assign step"),
        ("- a: {assing: [{x: 1}]}", "2:7: in step a: unknown field 'assing'"),
        ("- a: {return: 1}\n- a: {return: 2}", "3:3: in step a: duplicate step name a"),
        ("- a: {next: nowhere}", "in step a: next names an unknown step nowhere"),
        ("- abc: {next: abd}", "did you mean abc?"),
        ("- a: {return: '${q}'}", "symbol 'q' is neither a variable nor a sub-workflow name"),
        ("- a: {return: '${vv + 1}'}", "did you mean v?"),
        ("- a: {assign: [{q.x: 1}]}", "variable q is not defined (assign q: {} before)"),
        ("- a: {assign: [{'${v}': 1}]}", "bad assignment target"),
        ("- a: {assign: [{'len(v)': 1}]}", "cannot assign to"),
        ("- a: {assign: []}", "assign must be a list"),
        ("- a: {return: '${lenn(v)}'}", "unknown function lenn (did you mean len?)"),
        ("- a: {return: '${len(v, v)}'}", "len takes at most 1 arguments, 2 given"),
        ("- a: {return: '${len()}'}", "len needs argument value"),
        ("- a: {call: http.get, args: {urll: x}}", "http.get has no argument urll"),
        ("- a: {call: http.get}", "http.get needs argument url"),
        ("- a: {call: nope}", "unknown function nope"),
        ("- a: {call: main}", "the main workflow cannot be called"),
        ("- a: {call: googleapis.run}", "does not name a method of a connector"),
        ("- a: {call: '${v}'}", "an expression cannot choose the function"),
        ("- a: {call: sys.log, args: {severity: INFO}}", "exactly one of data, text and json"),
        (
            "- a: {return: '${http.get(\"u\")}'}",
            "http.get is a blocking call and not allowed in an expression",
        ),
        ("- a: {return: '${sys.sleep(1)}'}", "make it a step: call: sys.sleep with result"),
        ("- a: {return: '${googleapis.a.v1.b.c()}'}", "is a blocking call"),
        ("- a: {return: '${v +}'}", "bad expression: unexpected end of expression"),
        ("- a: {switch: [{condition: 5, next: end}]}", "a condition must be a boolean or an expression"),
        ("- a: {switch: [{next: end}]}", "a switch entry needs a condition"),
        ("- a: {switch: [{condition: true}]}", "a switch entry does nothing"),
        ("- a: {next: break}", "next: break is only allowed inside a for loop"),
        (
            "- a: {for: {value: x, in: [1], range: [1, 2], steps: [{b: {next: end}}]}}",
            "exactly one of in and range",
        ),
        ("- a: {for: {value: x, steps: [{b: {next: end}}]}}", "exactly one of in and range"),
        ("- a: {for: {value: x, in: 5, steps: [{b: {next: end}}]}}", "in must be a list or an expression"),
        ("- a: {for: {value: x, range: [1], steps: [{b: {next: end}}]}}", "range must be [begin, end]"),
        ("- a: {for: {value: x, in: [1], steps: []}}", "steps of for are empty"),
        (
            "- a: {for: {value: x, in: [1], steps: [{b: {next: end}}]}}\n- c: {return: '${x}'}",
            "symbol 'x' is neither",
        ),
        (
            "- a: {for: {value: x, in: [1], steps: [{b: {for: {value: x, in: [1], steps: [{c: {next: end}}]}}}]}}",
            "loop variable x is already a variable of an enclosing loop",
        ),
        ("- a: {steps: [{b: {return: 1}}]}\n- c: {next: b}", "step b cannot be reached from here"),
        ("- a: {try: {return: 1}}", "try needs retry or except"),
        ("- a: {return: 1, assign: [{x: 1}]}", "a step cannot have both assign and return"),
        ("- a: {}", "the step does nothing"),
        ("- a: 5", "a step must have fields"),
        ("- {a: {return: 1}, b: {return: 2}}", "a step must be a map with one key, its name"),
        ("- a b: {return: 1}", "cannot be the name of a step"),
        ("- end: {return: 1}", "cannot be the name of a step"),
        ("- a: {parallel: {branches: [{b: {return: 1}}]}}", "1 branches in a parallel step (give 2 to 10)"),
    ],
)
def test_a_mistake_is_refused_in_words(problems_of: Any, steps: str, problem: str) -> None:
    problems = problems_of(WARM + steps)
    assert problem in "\n".join(problems)


def _parallel(first: str, shared: str = "[]") -> str:
    branches = f"[{{b1: {{steps: [{{p: {first}}}]}}}}, {{b2: {{steps: [{{q: {{assign: [{{y: 1}}]}}}}]}}}}]"
    return f"{WARM}- a: {{parallel: {{shared: {shared}, branches: {branches}}}}}\n- z: {{return: 1}}"


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("{assign: [{v: 2}]}", "variable v is not shared and cannot be written in a branch (add v to shared"),
        ("{assign: [{m.k: 2}]}", "variable m is not shared"),
        ("{call: sys.now, result: v}", "variable v is not shared"),
        ("{return: 1}", "return is not allowed inside a parallel branch"),
        ("{next: end}", "next: end is not allowed inside a parallel branch"),
        ("{next: z}", "step z cannot be reached from here"),
        ("{assign: [{x: '${y}'}]}", "symbol 'y' is neither"),
    ],
)
def test_a_branch_keeps_to_itself(problems_of: Any, step: str, problem: str) -> None:
    assert problem in "\n".join(problems_of(_parallel(step)))


def test_shared_variables_and_locals_are_fine() -> None:
    assert compile_workflow(_parallel("{assign: [{v: 2}, {m.k: 3}, {y: '${v}'}]}", "[v, m]")).warnings == ()


def test_a_shared_variable_without_a_value_is_a_warning() -> None:
    (warning,) = compile_workflow(_parallel("{assign: [{new: 2}]}", "[new]")).warnings
    assert str(warning).endswith(
        "in step a: shared variable new has no value before the parallel step (assign new: null in a step before it)"
    )


def test_sharing_must_go_through_every_parallel_step(problems_of: Any) -> None:
    inner = "{parallel: {shared: [v], for: {value: i, in: [1], steps: [{s: {assign: [{v: 1}]}}]}}}"
    assert "variable v is not writable here" in "\n".join(problems_of(_parallel(inner)))
    compile_workflow(_parallel(inner, "[v]"))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("main: {params: [a, b], steps: [{s: {return: 1}}]}", "main has 2 params, at most 1"),
        ("main: {params: [1], steps: [{s: {return: 1}}]}", "parameter must be a name"),
        (
            "main: {steps: [{s: {return: 1}}]}\nf: {params: [a, a], steps: [{s: {return: 1}}]}",
            "duplicate parameter a",
        ),
        (
            "main: {steps: [{s: {call: f}}]}\nf: {params: [a], steps: [{s: {return: 1}}]}",
            "f needs argument a",
        ),
        (
            "main: {steps: [{s: {call: f, args: {b: 1}}}]}\nf: {steps: [{s: {return: 1}}]}",
            "f has no argument b",
        ),
        (
            "main: {steps: [{s: {return: '${f(1)}'}}]}\nf: {steps: [{s: {return: 1}}]}",
            "f takes at most 0 arguments",
        ),
        ("main: {stepz: []}", "unknown field 'stepz'"),
        (
            "main: {steps: [{s: {return: 1}}]}\nlen: {steps: [{s: {return: 1}}]}",
            "len is the name of a library function",
        ),
    ],
)
def test_routines_are_checked(problems_of: Any, source: str, problem: str) -> None:
    assert problem in "\n".join(problems_of(source))


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        (f"- a: {{assign: [{', '.join(['{x: 1}'] * 51)}]}}", "51 assignments in one step, at most 50"),
        (
            f"- a: {{switch: [{', '.join(['{condition: true, next: end}'] * 51)}]}}",
            "51 conditions in one switch",
        ),
        (
            f"- a: {{parallel: {{branches: [{', '.join(f'{{b{n}: {{assign: [{{x: 1}}]}}}}' for n in range(11))}]}}}}",
            "11 branches in a parallel step",
        ),
    ],
)
def test_counts_have_limits(problems_of: Any, steps: str, problem: str) -> None:
    assert problem in "\n".join(problems_of(steps))


def test_an_unknown_connector_is_refused_with_what_exists() -> None:
    known = frozenset({"googleapis.run.v2.projects.locations.jobs.run", "googleapis.x.v1.a.get"})
    source = "- a: {call: googleapis.run.v2.projects.locations.jobs.rnu, args: {name: n}}"
    with pytest.raises(
        SourceRefused, match=r"did you mean googleapis\.run\.v2\.projects\.locations\.jobs\.run\?"
    ):
        compile_workflow(source, connectors=known)
    program = compile_workflow(source.replace("rnu", "run"), connectors=known)
    assert program.connectors == ("googleapis.run.v2.projects.locations.jobs.run",)


def test_at_most_100_problems_are_told(problems_of: Any) -> None:
    assert len(problems_of("\n".join(f"- s{n}: {{retrun: 1}}" for n in range(200)))) == 100
