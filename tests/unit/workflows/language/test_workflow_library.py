"""The pure functions of the standard library."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from jubako.boxes.workflows.language.expressions import Invocation, parse, walk
from jubako.boxes.workflows.language.library import CONSTANTS, FUNCTIONS, Kind

X = {"l": [1, 2], "m": {"a": {"b": 1}}, "n": None, "o": {"indent": "-"}}
BIG = {"a": "a" * 200_000, "e": "é" * 100_000, "deep": "[" * 150 + "]" * 150}
GOOGLES = {
    "base64.decode": ["data", "padding"],
    "base64.encode": ["data", "padding"],
    "default": ["val", "d"],
    "double": ["x"],
    "events.await_callback": ["callback", "timeout"],
    "events.create_callback_endpoint": ["http_callback_method"],
    "experimental.executions.map": ["workflow_id", "arguments", "project_id", "location"],
    "experimental.executions.run": ["workflow_id", "argument", "project_id", "location"],
    "get_type": ["value"],
    "hash.compute_checksum": ["data", "algorithm"],
    "hash.compute_hmac": ["key", "data", "algorithm"],
    "if": ["condition", "ifTrue", "ifFalse"],
    "int": ["x"],
    "json.decode": ["data"],
    "json.encode": ["data", "indent"],
    "json.encode_to_string": ["data", "indent"],
    "keys": ["map"],
    "len": ["value"],
    "list.concat": ["objs", "val"],
    "list.prepend": ["objs", "val"],
    "map.delete": ["map", "key"],
    "map.get": ["map", "keys"],
    "map.merge": ["first", "second"],
    "map.merge_nested": ["first", "second"],
    "math.abs": ["x"],
    "math.floor": ["x"],
    "math.max": ["x", "y"],
    "math.min": ["x", "y"],
    "retry.always": ["e"],
    "retry.never": ["e"],
    "string": ["x"],
    "sys.get_env": ["name", "default"],
    "sys.log": ["data", "text", "json", "severity", "timeout"],
    "sys.now": [],
    "sys.sleep": ["seconds"],
    "sys.sleep_until": ["time"],
    "text.decode": ["data", "charset"],
    "text.encode": ["text", "charset"],
    "text.find_all": ["source", "substr"],
    "text.find_all_regex": ["source", "regexp"],
    "text.match_regex": ["source", "regexp"],
    "text.replace_all": ["source", "substr", "repl"],
    "text.replace_all_regex": ["source", "regexp", "repl"],
    "text.split": ["source", "separator"],
    "text.substring": ["source", "start", "end"],
    "text.to_lower": ["source"],
    "text.to_upper": ["source"],
    "text.url_decode": ["source"],
    "text.url_encode": ["source"],
    "text.url_encode_plus": ["source"],
    "time.format": ["seconds", "timezone"],
    "time.parse": ["value"],
    "uuid.generate": [],
}
"""Source: cloud.google.com/workflows/docs/reference/stdlib/overview and the page of each function."""


VALUES = [
    ("default(x.n, 5)", 5),
    ("default(0, 5)", 0),
    ('if(true, "a", "b")', "a"),
    ('if(x.n, "a", "b")', "b"),
    ("keys(x)", ["l", "m", "n", "o"]),
    ('len("日本")', 2),
    ("len(x)", 4),
    ("get_type(1)", "integer"),
    ("get_type(1.0)", "double"),
    ("get_type(x.n)", "null"),
    ("get_type(x)", "map"),
    ("get_type([])", "list"),
    ("get_type(true)", "boolean"),
    ('get_type(json.encode("a"))', "bytes"),
    ('int("-42")', -42),
    ("int(-1.9)", -1),
    ('double("1.5")', 1.5),
    ("double(2)", 2.0),
    ("string(1)", "1"),
    ("string(1.5)", "1.5"),
    ("string(true)", "true"),
    ("math.abs(-3)", 3),
    ("math.floor(-1.5)", -2),
    ("math.max(1, 2.5)", 2.5),
    ("math.min(1, 2.5)", 1),
    ("list.concat(x.l, [3])", [1, 2, [3]]),
    ("list.prepend(x.l, 0)", [0, 1, 2]),
    ('map.get(x, ["m", "a", "b"])', 1),
    ('map.get(x, ["m", "z", "b"])', None),
    ('map.get(1, "a")', None),
    ('map.delete(x.m, "a")', {}),
    ('map.merge(x.m, json.decode("{\\"a\\": 2}"))', {"a": 2}),
    ('map.merge_nested(x.m, json.decode("{\\"a\\": {\\"c\\": 2}}"))', {"a": {"b": 1, "c": 2}}),
    ("json.encode_to_string(x.m)", '{"a":{"b":1}}'),
    ("json.encode_to_string([1], true)", "[\n    1\n]"),
    ("json.encode_to_string([1], false)", "[1]"),
    (
        'json.encode_to_string(x.m, map.merge(json.decode("{\\"prefix\\": \\"> \\"}"), x.o))',
        '{\n> -"a": {\n> --"b": 1\n> -}\n> }',
    ),
    ('json.decode(text.encode("\\"é\\""))', "é"),
    ('json.decode("[1, 2.5, null]")', [1, 2.5, None]),
    ("json.decode(json.encode(x.l))", [1, 2]),
    ('base64.encode(text.encode("hi!?"))', "aGkhPw=="),
    ('base64.encode(text.encode("hi!?"), false)', "aGkhPw"),
    ('text.decode(base64.decode("aGkhPw", false))', "hi!?"),
    ('text.decode(base64.decode("aGkhPw=="))', "hi!?"),
    ('text.decode(base64.decode("aGk\\r\\nhPw==\\n"))', "hi!?"),
    (
        'base64.encode(hash.compute_checksum(text.encode(""), "MD5"))',
        "1B2M2Y8AsgTpgAmY7PhCfg==",
    ),
    ('len(hash.compute_hmac(text.encode("k"), text.encode("d"), "SHA256"))', 32),
    ('text.find_all("abab", "ab")', [0, 2]),
    ('text.find_all("ab", "")', [0, 1, 2]),
    ('text.replace_all("ab", "", "-")', "-a-b-"),
    ('text.replace_all("aXbX", "X", "--")', "a--b--"),
    ('text.split("a,b,", ",")', ["a", "b", ""]),
    ('text.substring("日本語", 1, 3)', "本語"),
    ('text.to_upper("straße")', "STRAßE"),
    ('text.to_lower("ÀB")', "àb"),
    ('text.url_encode("a b/é")', "a%20b%2F%C3%A9"),
    ('text.url_encode_plus("a b+")', "a+b%2B"),
    ('text.url_decode("a+b%20%2B")', "a b +"),
    ("time.format(0)", "1970-01-01T00:00:00.000000Z"),
    ('time.format(0, "")', "1970-01-01T00:00:00.000000Z"),
    ('time.format(1720788633, "GMT")', "2024-07-12T12:50:33.000000Z"),
    ('time.format(1720788633, "Europe/Paris")', "2024-07-12T14:50:33.000000+02:00"),
    ('time.format(1.5, "Asia/Tokyo")', "1970-01-01T09:00:01.500000+09:00"),
    ('time.parse("1970-01-01T09:00:01.5+09:00")', 1.5),
    ('"retry.always" == retry.always', True),
    ("retry.always(x)", True),
    ("retry.never(x)", False),
    ('text.match_regex("abc", "b+")', True),
    (
        'text.find_all_regex("HelloWorld", "Hello|World")',
        [{"index": 0, "match": "Hello"}, {"index": 5, "match": "World"}],
    ),
    ('text.replace_all_regex("abb", "b", "$1")', "a$1$1"),
    *(
        (f"http.default_retry_predicate{kind}(json.decode({text!r}))", passes)
        for text, passes_safe, passes_other in (
            ('{"code":429}', True, True),
            ('{"code":500}', False, False),
            ('{"code":502}', True, False),
            ('{"code":503}', True, True),
            ('{"code":504}', True, False),
            ('{"tags":["ConnectionError"]}', True, False),
            ('{"tags":["ConnectionFailedError"]}', True, True),
            ('{"tags":["TimeoutError"]}', True, False),
            ('{"tags":["ValueError"]}', False, False),
            ('"text"', False, False),
        )
        for kind, passes in (("", passes_safe), ("_non_idempotent", passes_other))
    ),
    ("http.default_retry.max_retries", 5),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_a_function_has_its_value(value_of: Any, expression: str, value: Any) -> None:
    got = value_of(expression, X)
    assert got == value
    assert type(got) is type(value)


TAGS = [
    ('int("1.5")', "ValueError"),
    ('int(" 1")', "ValueError"),
    ("int(true)", "TypeError"),
    ("int(1e300)", "ValueError"),
    ('double("1e999")', "ValueError"),
    ('double("x")', "ValueError"),
    ("string(x)", "TypeError"),
    ("len(1)", "TypeError"),
    ("keys(x.l)", "TypeError"),
    ("if(1, 2, 3)", "TypeError"),
    ("math.abs(-9223372036854775807 - 1)", "ValueError"),
    ("map.get(x, 1)", "TypeError"),
    ("map.merge(x, 1)", "TypeError"),
    ("list.concat(x, 1)", "TypeError"),
    ('json.decode("{")', "ValueError"),
    ('json.decode("NaN")', "ValueError"),
    ('json.decode("99999999999999999999")', "ValueError"),
    ('json.encode_to_string(json.encode("a"))', "ValueError"),
    ('json.decode(text.encode("\\"a\\"", "UTF-16"))', "ValueError"),
    ("json.decode(1)", "TypeError"),
    ('base64.decode("***")', "ValueError"),
    ('base64.decode("aGkhPw")', "ValueError"),
    ('text.encode("a", "zip")', "ValueError"),
    ('text.decode(base64.decode("/w=="))', "ValueError"),
    ('text.substring("ab", 1, 3)', "IndexError"),
    ('hash.compute_checksum("a", "CRC")', "ValueError"),
    ('time.format(0, "Mars/Olympus")', "ValueError"),
    ('time.format(0, "../../etc/passwd")', "ValueError"),
    ("time.format(1e300)", "ValueError"),
    ('time.parse("2026-02-30T00:00:00Z")', "ValueError"),
    ('time.parse("2026-02-20T00:00:00")', "ValueError"),
    ("time.parse(1)", "TypeError"),
    ("json.encode(x, 1)", "TypeError"),
    ("json.encode_to_string(x, 1)", "TypeError"),
    ("json.encode(text.encode(big.e))", "ValueError"),
    ("json.encode([big.a, big.a])", "ResourceLimitError"),
    ("json.encode_to_string([big.a, big.a])", "ResourceLimitError"),
    ("json.decode(big.deep)", "ResourceLimitError"),
    ("base64.encode(1)", "TypeError"),
    ("base64.encode(big.a)", "ResourceLimitError"),
    ("base64.decode(1)", "TypeError"),
    ("text.encode(1)", "TypeError"),
    ("text.decode(1)", "TypeError"),
    ('text.decode(text.encode(big.e), "ISO-8859-1")', "ResourceLimitError"),
    ('hash.compute_checksum(1, "MD5")', "TypeError"),
    ('hash.compute_hmac(1, "a", "MD5")', "TypeError"),
    ('hash.compute_hmac("k", "a", "CRC")', "ValueError"),
    ("list.prepend(x, 1)", "TypeError"),
    ('map.delete(1, "a")', "TypeError"),
    ("map.delete(x, 1)", "TypeError"),
    ("map.merge_nested(x, 1)", "TypeError"),
    ("double(true)", "TypeError"),
    ('math.abs("1")', "TypeError"),
    ('math.floor("1")', "TypeError"),
    ("math.floor(1e300)", "ValueError"),
    ("math.max(1, true)", "TypeError"),
    ('math.min("1", 1)', "TypeError"),
    ('text.match_regex(1, "a")', "TypeError"),
    ('text.match_regex("a", "(")', "ValueError"),
    ('text.match_regex(big.a, "(ab?){900}c")', "ResourceLimitError"),
    ('text.find_all_regex("a", 1)', "TypeError"),
    ('text.find_all_regex("a", "[")', "ValueError"),
    ('text.find_all_regex(big.a, "(ab?){900}c")', "ResourceLimitError"),
    ('text.replace_all_regex("a", "a", 1)', "TypeError"),
    ('text.replace_all_regex("a", "*", "")', "ValueError"),
    ('text.replace_all_regex(big.a, "a", "bb")', "ResourceLimitError"),
    ('text.find_all(1, "a")', "TypeError"),
    ('text.replace_all("a", 1, "b")', "TypeError"),
    ('text.replace_all(big.a, "a", "bb")', "ResourceLimitError"),
    ('text.split(1, ",")', "TypeError"),
    ('text.substring("ab", 0.0, 1)', "TypeError"),
    ("text.to_lower(1)", "TypeError"),
    ("text.to_upper(x.n)", "TypeError"),
    ("text.url_encode(1)", "TypeError"),
    ("text.url_encode(big.e)", "ResourceLimitError"),
    ("text.url_encode_plus(1)", "TypeError"),
    ("text.url_encode_plus(big.e)", "ResourceLimitError"),
    ("text.url_decode(1)", "TypeError"),
    ('time.format("0")', "TypeError"),
    ("time.format(0, 1)", "TypeError"),
]


@pytest.mark.parametrize(("expression", "tag"), TAGS)
def test_a_function_fails_with_its_tag(tag_of: Any, expression: str, tag: str) -> None:
    argument = {**X, **BIG} if "big." in expression else X
    assert tag_of(expression.replace("big.", "x."), argument) == tag


def test_a_pure_function_may_be_called_as_a_step_with_named_arguments(run: Any) -> None:
    source = "- a: {call: text.split, args: {separator: '-', source: a-b}, result: r}\n- b: {return: '${r}'}"
    assert run(source).result == ["a", "b"]


def _called(expression: str) -> set[str]:
    """Return the library functions that an expression calls."""
    calls = (node for node in walk(parse(expression)) if isinstance(node, Invocation))
    return {node.name for node in calls}


def _listed() -> dict[str, set[str]]:
    """Return the error tags of every function that is computed on the spot, as the reference page lists them."""
    page = runpy.run_path(str(Path(__file__).parents[4] / "tools" / "generate_workflow_reference.py"))
    errors = page["_errors"]
    return {name: set(errors(name, one)) for name, one in FUNCTIONS.items() if one.kind is Kind.PURE}


def test_every_function_has_a_case() -> None:
    called = set().union(*(_called(expression) for expression, _ in VALUES))
    assert _listed().keys() - called == set()


def test_every_tag_that_the_reference_lists_is_raised_by_a_case() -> None:
    raised = {(name, tag) for expression, tag in TAGS for name in _called(expression)}
    missing = {name: tags - {tag for one, tag in raised if one == name} for name, tags in _listed().items()}
    assert {name: tags for name, tags in missing.items() if tags} == {}


def test_the_library_is_googles_list() -> None:
    told = {name: [*one.parameters] for name, one in FUNCTIONS.items()}
    assert {name: parameters for name, parameters in told.items() if not name.startswith("http.")} == GOOGLES
    verbs = {"delete", "get", "patch", "post", "put", "request"}
    predicates = {"default_retry_predicate", "default_retry_predicate_non_idempotent"}
    assert {name[5:] for name in told if name.startswith("http.")} == verbs | predicates
    request = ["url", "headers", "body", "query", "auth", "timeout", "private_service_name", "ca_certificate"]
    assert all(told[f"http.{verb}"] == (["method"] if verb == "request" else []) + request for verb in verbs)
    assert set(CONSTANTS) == {
        "http.default_retry",
        "http.default_retry_non_idempotent",
        *(f"http.{name}" for name in predicates),
        "retry.always",
        "retry.never",
        "retry.default_backoff",
    }
