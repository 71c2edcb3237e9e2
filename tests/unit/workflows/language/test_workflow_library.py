"""The pure functions of the standard library."""

from typing import Any

import pytest

X = {"l": [1, 2], "m": {"a": {"b": 1}}, "n": None, "o": {"indent": "-"}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
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
        ("http.default_retry.max_retries", 5),
    ],
)
def test_a_function_has_its_value(value_of: Any, expression: str, value: Any) -> None:
    got = value_of(expression, X)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("expression", "tag"),
    [
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
    ],
)
def test_a_function_fails_with_its_tag(tag_of: Any, expression: str, tag: str) -> None:
    assert tag_of(expression, X) == tag


def test_a_pure_function_may_be_called_as_a_step_with_named_arguments(run: Any) -> None:
    source = "- a: {call: text.split, args: {separator: '-', source: a-b}, result: r}\n- b: {return: '${r}'}"
    assert run(source).result == ["a", "b"]
