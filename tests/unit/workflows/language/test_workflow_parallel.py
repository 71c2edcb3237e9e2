"""Parallel branches and parallel loops."""

from typing import Any

from jubako.boxes.workflows.language import (
    Cancel,
    EffectDone,
    EffectKind,
    Start,
    Status,
    advance,
    compile_workflow,
    initial_state,
    pending_effects,
)

LOG = "{call: sys.log, args: {text: x}}"


def test_branches_write_shared_variables_and_lose_nothing(run: Any) -> None:
    source = """
    - i: {assign: [{n: 0}]}
    - p:
        parallel:
          shared: [n]
          for:
            value: v
            index: i
            range: [1, 50]
            steps:
              - a: {call: http.get, args: {url: u}, result: r}
              - b: {assign: [{n: "${n + r + i - i}"}]}
    - r: {return: "${n}"}
    """
    ran = run(source, answer=lambda effect: int(effect.name.split("[")[1].split("]")[0]))
    assert ran.result == sum(range(50))
    assert ran.names[0] == "main/p[0]/a#0"


def test_locals_of_a_branch_are_its_own(run: Any) -> None:
    source = """
    - i: {assign: [{out: {}}]}
    - p:
        parallel:
          shared: [out]
          branches:
            - b1:
                steps:
                  - a: {assign: [{x: 1}]}
                  - s: {call: sys.sleep, args: {seconds: 1}}
                  - w: {assign: [{out.one: "${x}"}]}
            - b2:
                steps:
                  - a: {assign: [{x: 2}]}
                  - s: {call: sys.sleep, args: {seconds: 1}}
                  - w: {assign: [{out.two: "${x}"}]}
    - r: {return: "${out}"}
    """
    ran = run(source)
    assert ran.result == {"one": 1, "two": 2}
    assert ran.names == ["main/p/b1/s#0", "main/p/b2/s#0"]
    assert ran.state.bytes == 0


def test_a_second_visit_has_other_names(run: Any) -> None:
    source = """
    - i: {assign: [{n: 0}]}
    - p:
        parallel:
          shared: [n]
          branches:
            - a: {steps: [{w: {call: sys.log, args: {text: x}}}, {m: {assign: [{n: "${n + 1}"}]}}]}
            - b: {steps: [{z: {assign: [{n: "${n}"}]}}]}
    - s: {switch: [{condition: "${n < 2}", next: p}]}
    """
    assert run(source).names == ["main/p/a/w#0", "main/p#1/a/w#0"]


def test_all_branches_finish_and_the_errors_come_together(run: Any) -> None:
    source = """
    - i: {assign: [{done: false}]}
    - p:
        try:
          parallel:
            shared: [done]
            branches:
              - bad: {steps: [{a: {raise: boom}}]}
              - good: {steps: [{s: {call: sys.sleep, args: {seconds: 1}}}, {b: {assign: [{done: true}]}}]}
              - worse: {steps: [{c: {raise: {code: 1}}}]}
        except: {as: e, steps: [{r: {return: ["${done}", "${e}"]}}]}
    """
    done, error = run(source).result
    assert done is True
    assert error["tags"] == ["UnhandledBranchError"]
    assert error["truncated"] is False
    assert [branch["id"] for branch in error["branches"]] == ["bad", "worse"]
    assert error["branches"][1]["error"]["payload"] == {"code": 1}
    assert 'in step "c", routine "main"' in error["branches"][1]["error"]["context"]


def test_at_most_100_errors_are_told(run: Any) -> None:
    source = "- p: {parallel: {for: {value: v, range: [1, 101], steps: [{a: {raise: x}}]}}}"
    error = run(source).error
    assert len(error["branches"]) == 100
    assert error["truncated"] is True


def test_no_more_than_the_limit_run_at_once() -> None:
    for limit, at_once in (("", 20), ("concurrency_limit: 3,", 3), ("concurrency_limit: '${1 + 1}',", 2)):
        program = compile_workflow(
            f"- p: {{parallel: {{{limit} for: {{value: v, range: [1, 30], steps: [{{a: {LOG}}}]}}}}}}"
        )
        state, effects = advance(program, initial_state(program), Start())
        assert len(effects) == at_once
        state, effects = advance(program, state, EffectDone(effects[0].name))
        assert [effect.name for effect in effects] == [f"main/p[{at_once}]/a#0"]


def test_an_empty_parallel_loop_goes_on(run: Any) -> None:
    assert (
        run("- p: {parallel: {for: {value: v, in: [], steps: [{a: {raise: x}}]}}}\n- r: {return: 1}").result
        == 1
    )


def test_nesting_deeper_than_two_is_an_error(run: Any) -> None:
    source = """
    main: {steps: [{p: {parallel: {for: {value: a, in: [1], steps: [{q: {call: f}}]}}}}]}
    f: {steps: [{p: {parallel: {for: {value: b, in: [1], steps: [{q: {call: g}}]}}}}]}
    g: {steps: [{p: {parallel: {for: {value: c, in: [1], steps: [{q: {assign: [{x: 1}]}}]}}}}]}
    """
    error = run(source).error
    inner = error["branches"][0]["error"]["payload"]["branches"][0]["error"]["payload"]
    assert inner["tags"] == ["ParallelNestingError"]


def test_continue_ends_an_iteration_of_a_parallel_loop(run: Any) -> None:
    source = """
    - i: {assign: [{n: 0}]}
    - p:
        parallel:
          shared: [n]
          for:
            value: v
            in: [1, 2, 3]
            steps:
              - s: {switch: [{condition: "${v == 2}", next: continue}]}
              - a: {assign: [{n: "${n + v}"}]}
    - r: {return: "${n}"}
    """
    assert run(source).result == 4


def test_cancel_abandons_what_is_under_way() -> None:
    program = compile_workflow(
        "- p: {parallel: {for: {value: v, in: [1, 2], steps: [{a: {call: http.get, args: {url: u}}}]}}}"
    )
    state, started = advance(program, initial_state(program), Start())
    state, effects = advance(program, state, Cancel())
    assert state.status is Status.CANCELLED
    assert [(effect.kind, effect.name) for effect in effects] == [
        (EffectKind.ABANDON, effect.name) for effect in started
    ]
    assert pending_effects(program, state) == []
    assert advance(program, state, EffectDone(started[0].name))[1] == []


def test_a_reply_that_comes_twice_or_from_nowhere_is_ignored() -> None:
    program = compile_workflow("- a: {call: http.get, args: {url: u}}\n- b: {call: http.get, args: {url: u}}")
    state, (first,) = advance(program, initial_state(program), Start())
    assert advance(program, state, EffectDone("main/zzz#0"))[1] == []
    state, (second,) = advance(program, state, EffectDone(first.name))
    assert advance(program, state, EffectDone(first.name))[1] == []
    assert advance(program, state, Start())[1] == []
    state, _ = advance(program, state, EffectDone(second.name))
    assert state.status is Status.SUCCEEDED
