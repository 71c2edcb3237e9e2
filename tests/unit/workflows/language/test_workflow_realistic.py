"""Programs as people write them, each in another corner of the language, run to their results."""

import json
from typing import Any

import pytest
from tests.unit.workflows.language.conftest import Failing
from tests.unit.workflows.language.workflow_realistic import APPROVAL, FIB, ORDERS, PAGES, POLL, RETRY

from jubako.boxes.workflows.language import Effect


def http(code: int) -> Failing:
    return Failing(
        {"message": f"HTTP {code}", "tags": ["HttpError"], "code": code, "headers": {}, "body": None}
    )


class World:
    """Answers effects from a table by function or URL: a value each time, the last one again and again."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {
            name: list(given) if isinstance(given, list) else [given] for name, given in answers.items()
        }
        self.seen: list[Effect] = []

    def __call__(self, effect: Effect) -> Any:
        self.seen.append(effect)
        known = self.answers.get(effect.kind.value)
        if known is None:
            return None
        return known.pop(0) if len(known) > 1 else known[0]


HOOK = {"http_request": {"body": {"approved": True}, "headers": {"X-User": "mia"}}, "type": "HTTP"}


def value(*assignments: str, results: list[str] | str) -> str:
    """Return a program that assigns, and returns the value of an expression or of several."""
    steps = "".join(f"      - {one}\n" for one in assignments)
    given = [f"${{{one}}}" for one in results] if isinstance(results, list) else f"${{{results}}}"
    return f"- set:\n    assign:\n{steps}- done:\n    return: {json.dumps(given)}\n"


PROGRAMS: dict[str, tuple[str, Any, World, Any]] = {
    "pages until there is no token": (
        PAGES,
        {"url": "https://a"},
        World(
            http=[
                {"body": {"rows": [{"id": 1}, {"id": 2}], "nextPageToken": "t"}},
                {"body": {"rows": [{"id": 3}]}},
            ]
        ),
        [1, 2, 3],
    ),
    "a predicate that looks at codes": (
        RETRY,
        None,
        World(http=[http(429), http(503), {"body": {"total": 9}}]),
        9,
    ),
    "a code that is handled": (RETRY, None, World(http=http(404)), "nothing"),
    "items side by side, some fail": (
        ORDERS,
        {"orders": [{"id": "a", "price": 2}, {"id": "b"}, {"id": "c", "price": 4}]},
        World(),
        {"total": 9.0, "failed": ["b: no price in EUR"], "seen": {"a": 0, "c": 2}},
    ),
    "somebody approves": (
        APPROVAL,
        None,
        World(callback_create={"url": "u"}, callback_await=HOOK),
        "approved by mia",
    ),
    "nobody approves": (
        APPROVAL,
        None,
        World(
            callback_create={"url": "u"},
            callback_await=Failing({"message": "late", "tags": ["TimeoutError"]}),
        ),
        "timed out",
    ),
    "looks again, each time later": (
        POLL,
        None,
        World(http=[{"body": {"href": "h"}}, {"body": {"state": "RUNNING"}}, {"body": {"state": "DONE"}}]),
        {"tries": 1, "pause": 2},
    ),
    "subworkflows call themselves in expressions": (FIB, 9, World(), 55),
    "keys of maps are expressions": (
        value("k: café", 'm: {"${k + \\"-\\" + string(1)}": 1, "${k}": {"${k}": "${k}"}}', results="m"),
        None,
        World(),
        {"café-1": 1, "café": {"café": "café"}},
    ),
    "a copy is a copy": (
        value(
            "a: {l: [1, {x: 1}]}",
            "b: ${a}",
            "b.l[1].x: 2",
            "c: ${b.l}",
            "c[0]: 9",
            results=[
                "a",
                "b",
                "c",
            ],
        ),
        None,
        World(),
        [{"l": [1, {"x": 1}]}, {"l": [1, {"x": 2}]}, [9, {"x": 2}]],
    ),
    "numbers keep their kind": (
        value(
            "i: 7",
            "d: 7.0",
            results=[
                "i / 2",
                "i // 2",
                "-i // 2",
                "-i % 3",
                "d // 2",
                "i == d",
                "i * 1.0",
                "2 - -i",
            ],
        ),
        None,
        World(),
        [3.5, 3, -4, 2, 3.0, True, 7.0, 9],
    ),
    "numbers as text": (
        value(
            "x: 1",
            results='string(1.0) + " " + string(1e21) + " " + 0.1 + " " + true + " " + -5',
        ),
        None,
        World(),
        "1.0 1e+21 0.1 true -5",
    ),
    "the greatest integers": (
        value(
            "x: 9223372036854775807",
            "y: -9223372036854775808",
            results=[
                "x - 1",
                "y + x",
                'int("-9223372036854775808") == y',
            ],
        ),
        None,
        World(),
        [9223372036854775806, -1, True],
    ),
    "not binds tightest, in and comparison alike": (
        value(
            "a: false",
            "b: true",
            results=[
                "not a == b",
                "not (1 in [1]) or b",
                "1 + 1 in [2]",
                "a or b and a",
            ],
        ),
        None,
        World(),
        [True, True, True, False],
    ),
    "escapes in text": (
        value('t: "tab\\there"', results='"q: \\"" + t + "\\" \\u00e9 \\\\ \\n"'),
        None,
        World(),
        'q: "tab\there" é \\ \n',
    ),
    "characters, not bytes": (
        value(
            "s: 日本語テスト😀",
            results=[
                "len(s)",
                "text.substring(s, 2, 4)",
                'text.find_all(s, "テ")',
                'text.to_upper("straße")',
                'text.url_encode("a b/ä")',
            ],
        ),
        None,
        World(),
        [7, "語テ", [3], "STRAßE", "a%20b%2F%C3%A4"],
    ),
    "times with zones": (
        value(
            't: ${time.parse("2024-02-29T23:30:00.5+09:00")}',
            results=[
                "t",
                "time.format(t)",
                'time.format(t, "America/New_York")',
                'time.format(t + 86400, "Asia/Tokyo")',
            ],
        ),
        None,
        World(),
        [
            1709217000.5,
            "2024-02-29T14:30:00.500000Z",
            "2024-02-29T09:30:00.500000-05:00",
            "2024-03-01T23:30:00.500000+09:00",
        ],
    ),
    "json there and back": (
        value(
            "m: {b: [1, 2.5, null, true], a: ü}",
            "t: ${json.encode_to_string(m)}",
            results=[
                "t",
                "json.decode(t) == m",
                "text.decode(base64.decode(base64.encode(json.encode(m)))) == t",
            ],
        ),
        None,
        World(),
        ['{"b":[1,2.5,null,true],"a":"ü"}', True, True],
    ),
    "digests": (
        value(
            "s: abc",
            results=[
                'base64.encode(hash.compute_checksum(text.encode(s), "SHA256"))',
                'base64.encode(hash.compute_hmac(text.encode("k"), text.encode(s), "MD5"))',
            ],
        ),
        None,
        World(),
        ["ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", "dZcsnGVp8vQHdS3bAqx53g=="],
    ),
    "regular expressions, leftmost and longest": (
        value(
            "s: foo-12_bar-345",
            results=[
                'text.find_all_regex(s, "[0-9]+")[1].match',
                'text.replace_all_regex(s, "(fo|foo)", "<\\\\1>")',
                'text.match_regex(s, "^foo")',
            ],
        ),
        None,
        World(),
        ["345", "<\\1>-12_bar-345", True],
    ),
    "safe ways into maps": (
        value(
            "m: {a: {b: null, c: [1]}}",
            results=[
                'map.get(m, ["a", "x", "y"])',
                "default(m.a.b, 5)",
                'default(map.get(m, "z"), "none")',
                '"b" in m.a',
                'keys(map.delete(m.a, "b"))',
            ],
        ),
        None,
        World(),
        [None, 5, "none", True, ["c"]],
    ),
    "merging": (
        value(
            "a: {x: {p: 1, q: 2}, y: 1}",
            "b: {x: {q: 3}, z: 0}",
            results=[
                "map.merge(a, b)",
                "map.merge_nested(a, b)",
            ],
        ),
        None,
        World(),
        [{"x": {"q": 3}, "y": 1, "z": 0}, {"x": {"p": 1, "q": 3}, "y": 1, "z": 0}],
    ),
    "loops that break, continue and nest": (
        """
- init: {assign: [{found: []}]}
- rows:
    for:
      value: r
      range: [1, 4]
      steps:
        - skip: {switch: [{condition: "${r == 2}", next: continue}]}
        - cells:
            for:
              value: c
              index: i
              in: [a, b, c]
              steps:
                - stop: {switch: [{condition: "${i == r}", next: break}]}
                - keep: {assign: [{found: "${list.concat(found, c + string(r))}"}]}
        - last: {switch: [{condition: "${r == 3}", next: break}]}
- done: {return: "${found}"}
""",
        None,
        World(),
        ["a1", "a3", "b3", "c3"],
    ),
    "an error passes through calls and a finally of its own": (
        """
main:
  steps:
    - init: {assign: [{trail: []}]}
    - outer:
        try:
          steps:
            - inner:
                try: {call: fails, args: {why: {message: deep, tags: [Mine], extra: 1}}}
                except:
                  as: e
                  steps:
                    - note: {assign: [{trail: "${list.concat(trail, e.extra)}"}]}
                    - on: {raise: "${e}"}
        except: {as: e, steps: [{last: {assign: [{trail: "${list.concat(trail, e)}"}]}}]}
    - done: {return: "${trail}"}
fails: {params: [why], steps: [{now: {raise: "${why}"}}]}
""",
        None,
        World(),
        [1, {"message": "deep", "tags": ["Mine"], "extra": 1}],
    ),
    "branches share what they name": (
        """
- init: {assign: [{user: null}, {cart: null}, {log: []}]}
- both:
    parallel:
      shared: [user, cart, log]
      branches:
        - who:
            steps:
              - a: {call: http.get, args: {url: u}, result: r}
              - b: {assign: [{user: "${r.body}"}, {log: "${list.concat(log, 1)}"}]}
        - what:
            steps:
              - a: {call: http.get, args: {url: c}, result: r}
              - b: {assign: [{cart: "${r.body}"}, {log: "${list.concat(log, 1)}"}]}
- done: {return: {user: "${user}", cart: "${cart}", n: "${len(log)}"}}
""",
        None,
        World(http=[{"body": "ann"}, {"body": ["egg"]}]),
        {"user": "ann", "cart": ["egg"], "n": 2},
    ),
    "steps in JSON": (
        '{"main": {"params": ["a"], "steps": [{"s": {"return": "${a.x + 1}"}}]}}',
        {"x": 1},
        World(),
        2,
    ),
    "long text over lines": (
        '- s: {assign: [{t: orders}]}\n- r:\n    return: >-\n      ${"SELECT * " +\n      "FROM " + t}\n',
        None,
        World(),
        "SELECT * FROM orders",
    ),
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_a_program_does_what_its_author_means(run: Any, what: str) -> None:
    source, argument, world, expected = PROGRAMS[what]
    result = run(source, argument, world).result
    assert result == expected
    assert repr(result) == repr(expected), "kinds differ"


def test_waits_between_tries_follow_the_policy(run: Any) -> None:
    world = World(http=[http(503)])
    ran = run(RETRY, None, world)
    assert ran.error == {"kind": "broken", "code": 503}
    assert [effect.args["seconds"] for effect in world.seen if effect.kind.value == "sleep"] == [2, 4, 5, 5]
