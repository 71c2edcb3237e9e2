"""What people get wrong who come from other languages is told with what to write instead."""

import pytest

from jubako.boxes.workflows.language import SourceRefused, compile_workflow

MISTAKES = [
    ("- a: {return: '${x = 1}'}", "token recognition error at '=': ${x = 1} (compare with ==)"),
    ("- a: {return: '${true && true}'}", "(write and)"),
    ("- a: {return: '${true || true}'}", "(write or)"),
    ("- a: {return: '${!true}'}", "(write not, and != to compare)"),
    ("- a: {return: '${true ? 1 : 2}'}", "(write if(condition, value, otherwise))"),
    ("- a: {return: '${2 ** 3}'}", "(there is no power; multiply)"),
    ("- a: {return: '${1 not in [1]}'}", "(write not (x in list))"),
    ("- a: {return: '${null is null}'}", "(compare with ==, as in x == null)"),
    ("- a: {return: '${true And false}'}", "unexpected And: ${true And false} (write and or AND)"),
    ("- a: {return: '${{\"a\": 1}}'}", "(there are no maps in expressions: write the map in YAML"),
    ("- a: {return: '${1 +}'}", "unexpected end of expression: ${1 +} (write values, operators and calls"),
    ("- a: {return: '${1} and ${2}'}", '(join texts in one expression: ${a + " and " + b})'),
    ("main:\n\tsteps: []", "(indent with spaces, not with tabs)"),
    (
        "- a: {try: {call: sys.now}, retry: 3}",
        "retry must be a policy (write ${http.default_retry}, or a map",
    ),
    (
        "- a: {try: {call: sys.now}, retry: {max_retry: 3}}",
        "unknown field 'max_retry' in retry (known fields here: backoff, max_retries, predicate)",
    ),
    (
        "- a: {try: {call: sys.now}, retry: {backoff: {delay: 3}}}",
        "unknown field 'delay' in backoff (known fields here: initial_delay, max_delay, multiplier)",
    ),
    ("- a: {raise: }", "only a string or a map can be raised"),
    ("- a: {raise: [1]}", "only a string or a map can be raised"),
]


@pytest.mark.parametrize(("source", "told"), MISTAKES)
def test_a_mistake_is_told_with_its_mend(source: str, told: str) -> None:
    with pytest.raises(SourceRefused) as refused:
        compile_workflow(source)
    assert told in str(refused.value)


@pytest.mark.parametrize("text", ["hello ${n}", "${1 + 2", "${a} and ", "x: ${ n }"])
def test_an_expression_that_is_only_part_of_a_text_is_warned_of(text: str) -> None:
    program = compile_workflow(f"- s: {{assign: [{{n: 1}}]}}\n- t: {{return: '{text}'}}")
    (warning,) = program.warnings
    assert (warning.line, warning.step) == (2, "t")
    assert "this is text, not an expression" in str(warning)


@pytest.mark.parametrize("text", ["costs $5", "{n}", "$n", "a $ {n}"])
def test_other_text_with_dollars_and_braces_is_not(text: str) -> None:
    assert not compile_workflow(f"- t: {{return: '{text}'}}").warnings
