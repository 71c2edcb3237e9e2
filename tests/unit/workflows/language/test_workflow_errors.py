"""try, retry, except, raise, and errors nobody catches."""

from typing import Any

import pytest

from jubako.boxes.workflows.language import EffectKind

UNAVAILABLE = {"code": 503, "message": "busy", "tags": ["HttpError"]}


def test_except_gets_exactly_what_was_raised(run: Any) -> None:
    source = """
    - a:
        try: {raise: {code: 5, extra: [1]}}
        except: {as: e, steps: [{b: {return: "${e}"}}]}
    """
    assert run(source).result == {"code": 5, "extra": [1]}
    assert run(source.replace("{code: 5, extra: [1]}", "text")).result == "text"
    assert run(source.replace("{code: 5, extra: [1]}", '"${5}"')).result["tags"] == ["TypeError"]


def test_an_error_of_the_language_is_a_map_that_except_can_read(run: Any) -> None:
    source = """
    - a:
        try: {assign: [{m: {}}, {x: "${m.missing}"}]}
        except: {as: e, steps: [{b: {switch: [{condition: '${"KeyError" in e.tags}', return: "${e.message}"}]}}]}
    """
    assert run(source).result == "KeyError: key not found: missing"


def test_a_failed_effect_is_caught_and_the_steps_after_go_on(run: Any, failing: Any) -> None:
    source = """
    - a:
        try: {call: http.get, args: {url: u}, result: r}
        except: {as: e, steps: [{b: {assign: [{r: "${e.code}"}]}}]}
    - c: {return: "${r}"}
    """
    assert run(source, answer=lambda _: failing(UNAVAILABLE)).result == 503
    assert run(source, answer=lambda _: {"body": 1}).result == {"body": 1}


def test_an_error_inside_except_goes_further_out(run: Any) -> None:
    source = """
    - a:
        try:
          steps:
            - b:
                try: {raise: first}
                except: {as: e, steps: [{c: {raise: "${e + \\" second\\""}"}}]}
        except: {as: e, steps: [{d: {return: "${e}"}}]}
    """.replace('\\""}"}}', '\\"}"}}')
    assert run(source).result == "first second"


def test_an_error_leaves_loops_and_subworkflows(run: Any) -> None:
    source = """
    main:
      steps:
        - a:
            try:
              for: {value: v, in: [1, 2], steps: [{b: {call: f, args: {n: "${v}"}}}]}
            except: {as: e, steps: [{c: {return: "${e}"}}]}
    f: {params: [n], steps: [{d: {for: {value: w, in: [1], steps: [{e: {raise: {n: "${n}"}}}]}}}]}
    """
    ran = run(source)
    assert ran.result == {"n": 1}
    assert ran.state.bytes == 0


def test_retry_waits_as_google_documents(run: Any, failing: Any) -> None:
    source = """
    - a:
        try: {call: http.get, args: {url: u}}
        retry:
          predicate: ${http.default_retry_predicate}
          max_retries: 8
          backoff: {initial_delay: 1, max_delay: 60, multiplier: 2}
    """
    ran = run(source, answer=lambda effect: failing(UNAVAILABLE) if effect.kind is EffectKind.HTTP else None)
    sleeps = [effect.args["seconds"] for effect in ran.effects if effect.kind is EffectKind.SLEEP]
    assert sleeps == [1, 2, 4, 8, 16, 32, 60, 60]
    assert ran.error == UNAVAILABLE
    assert ran.names[:3] == ["main/a#0", "main/a~retry#0", "main/a#1"]


def test_the_whole_block_runs_again_and_the_count_begins_anew_next_time(run: Any, failing: Any) -> None:
    source = """
    - i: {assign: [{n: 0}, {rounds: 0}]}
    - a:
        try:
          steps:
            - b: {assign: [{n: "${n + 1}"}]}
            - c: {call: http.get, args: {url: u}}
        retry: {predicate: "${retry.always}", max_retries: 1, backoff: {initial_delay: 0}}
        except: {as: e, steps: [{d: {assign: [{rounds: "${rounds + 1}"}]}}]}
    - f: {switch: [{condition: "${rounds < 2}", next: a}]}
    - g: {return: "${n}"}
    """
    assert run(source, answer=lambda _: failing(UNAVAILABLE)).result == 4


@pytest.mark.parametrize(
    ("policy", "error", "tries"),
    [
        ("${http.default_retry}", UNAVAILABLE, 6),
        ("${http.default_retry}", {**UNAVAILABLE, "code": 500}, 1),
        ("${http.default_retry}", {"tags": ["ConnectionError"]}, 6),
        ("${http.default_retry_non_idempotent}", {"tags": ["ConnectionError"]}, 1),
        ("${http.default_retry_non_idempotent}", {"tags": ["ConnectionFailedError"]}, 6),
        ("{predicate: '${mine}', max_retries: 2}", {"code": 418}, 3),
        ("{predicate: '${mine}', max_retries: 2}", UNAVAILABLE, 1),
        ("{predicate: '${retry.never}'}", UNAVAILABLE, 1),
    ],
)
def test_a_predicate_decides(run: Any, failing: Any, policy: str, error: Any, tries: int) -> None:
    source = f"""
    main: {{steps: [{{a: {{try: {{call: http.get, args: {{url: u}}}}, retry: {policy!r}}}}}]}}
    mine:
      params: [e]
      steps: [{{b: {{call: sys.log, args: {{text: asked}}}}}}, {{c: {{return: "${{e.code == 418}}"}}}}]
    """
    if policy.startswith("{"):
        source = source.replace(repr(policy), policy)
    ran = run(source, answer=lambda effect: failing(error) if effect.kind is EffectKind.HTTP else None)
    assert sum(effect.kind is EffectKind.HTTP for effect in ran.effects) == tries
    assert ran.error == error


@pytest.mark.parametrize(
    "retry",
    ['"${5}"', "{predicate: nobody}", "{max_retries: x}", '"${policy}"', "{backoff: {initial_delay: -1}}"],
)
def test_a_bad_policy_is_an_error_of_the_workflow(run: Any, failing: Any, retry: str) -> None:
    source = "- p: {assign: [{policy: {delay: 1}}]}\n"
    source += f"- a: {{try: {{call: http.get, args: {{url: u}}}}, retry: {retry}}}"
    assert run(source, answer=lambda _: failing(UNAVAILABLE)).tag in ("TypeError", "ValueError")


def test_an_unhandled_error_shows_payload_context_and_trace(run: Any) -> None:
    source = "main:\n  steps:\n    - a: {call: f}\nf:\n  steps:\n    - b:\n        raise: {code: 1}\n"
    error = run(source).state.error
    assert error["payload"] == '{"code":1}'
    assert error["context"] == (
        'RuntimeError: {"code":1}\nin step "b", routine "f", line: 6\nin step "a", routine "main", line: 3'
    )
    assert error["stackTrace"]["elements"][0] == {
        "step": "b",
        "routine": "f",
        "position": {"line": 6, "column": 7, "length": 1},
    }


def test_an_error_of_the_language_heads_its_context(run: Any) -> None:
    error = run("- a: {return: '${1 / 0}'}").state.error
    assert error["context"].splitlines() == [
        "ZeroDivisionError: division by zero",
        'in step "a", routine "main", line: 1',
    ]


def test_an_error_that_is_no_string_or_map_still_becomes_one(run: Any, failing: Any) -> None:
    source = "- a: {call: http.get, args: {url: u}}"
    assert run(source, answer=lambda _: failing(5)).error == {"message": "5", "tags": ["SystemError"]}
    assert run(source, answer=lambda _: 2**70).tag == "ValueError"
