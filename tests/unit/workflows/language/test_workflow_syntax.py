"""Source text: scalars of YAML 1.2's core schema, positions, and what is mended or refused."""

from typing import Any

import pytest

from jubako.boxes.workflows.language import compile_workflow
from jubako.boxes.workflows.language.problems import Findings, SourceRefused
from jubako.boxes.workflows.language.syntax import read, scalar
from jubako.boxes.workflows.language.tolerance import quote_flow_expressions


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("12:30:45", "12:30:45"),
        ("2026-11-24", "2026-11-24"),
        ("1_000", "1_000"),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("0b1", "0b1"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_only_core_scalars_get_a_type(text: str, value: Any) -> None:
    got = scalar(text)
    assert got == value
    assert type(got) is type(value)


def test_json_is_a_source(run: Any) -> None:
    assert (
        run('{"main": {"params": ["a"], "steps": [{"s": {"return": "${a.b}"}}]}}', {"b": "é"}).result == "é"
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "source is empty"),
        ("5", "there is no main"),
        ("sub: {steps: [{a: {return: 1}}]}", "there is no main"),
        ("a: 1\na: 2", "duplicate key a"),
        ("- a: {return: !!python/name:os.system x}", "tag"),
        ("- a: {1: x}", "is not a string"),
        ("- a: &x [*x]", "names nothing complete"),
        ("- a: {return: 99999999999999999999}", "does not fit into 64 bits"),
        ("--- \n- a: {return: 1}\n---\n- b: {return: 2}", "more than one YAML document"),
        ("- a: 'open", "not valid YAML"),
        ("- a: {return: \x00}", "not valid YAML"),
        ("#" + "x" * 128 * 1024, "larger than 131072 bytes"),
        ("[" * 10_000, "nested deeper than 100"),
        ("{a: " * 10_000, "nested deeper than 100"),
    ],
)
def test_bad_source_is_refused_in_words(problems_of: Any, source: str, words: str) -> None:
    assert words in problems_of(source)[0]


def test_aliases_are_followed_but_a_bomb_is_not(run: Any, problems_of: Any) -> None:
    assert run("- a: {assign: [{x: &x [1]}, {y: [*x, *x]}]}\n- b: {return: '${y}'}").result == [[1], [1]]
    bomb = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(9))
    assert "aliases expand to more than" in problems_of(bomb)[0]


def test_an_unquoted_flow_expression_is_read_with_a_warning_that_names_the_line() -> None:
    source = '- a:\n    call: http.post\n    args: { url: "u", body: { v: ${"failed: " + "x"}, w: 1 } }\n'
    program = compile_workflow(source)
    (warning,) = program.warnings
    assert (warning.line, warning.column) == (3, 34)
    assert '${"failed: " + "x"} stands unquoted' in warning.message


def test_valid_yaml_is_never_touched() -> None:
    source = "- a: {return: '{ x: ${y} }'}\n- b:\n    return: |\n      { x: ${y} }\n"
    findings = Findings()
    root = read(source, findings)
    assert not findings.warnings
    assert root.value[0].value[0][1].entries()["return"].value == "{ x: ${y} }"


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("{ a: ${b}, c: [${d}, ${e[0]}] }", "{ a: '${b}', c: ['${d}', '${e[0]}'] }"),
        ("{ a: ${'it''s'} }", "{ a: '${''it''''s''}' }"),
        ('{ a: "${b}" }', '{ a: "${b}" }'),
        ("a: ${b}", "a: ${b}"),
        ("{ a: ${b} c }", "{ a: ${b} c }"),
        ("# { a: ${b} }", "# { a: ${b} }"),
        ("{ a: ${'}'} } # '", "{ a: '${''}''}' } # '"),
        ("it's: { a: ${b} }", "it's: { a: '${b}' }"),
        ("{ a: ${b", "{ a: ${b"),
    ],
)
def test_the_prepass_quotes_lone_flow_expressions(text: str, mended: str) -> None:
    assert quote_flow_expressions(text)[0] == mended


def test_problems_are_told_together_and_by_position() -> None:
    with pytest.raises(SourceRefused) as refused:
        compile_workflow("- a: {retrun: 1}\n- b: {call: 5}\n- b: {return: '${1 +}'}\n")
    assert [(problem.line, problem.step) for problem in refused.value.problems] == [
        (1, "a"),
        (1, "a"),
        (2, "b"),
        (3, "b"),
        (3, "b"),
    ]
    assert refused.value.code == "INVALID_ARGUMENT"
    assert len(refused.value.details[0]["fieldViolations"]) == 5
