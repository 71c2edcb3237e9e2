"""What each kind of step does."""

from typing import Any

import pytest


def test_assign_sees_what_was_assigned_before_and_writes_into_maps_and_lists(run: Any) -> None:
    source = """
    - a:
        assign:
          - m: {l: [1, {n: 2}]}
          - key: k
          - m.new: ${m.l[0] + 1}
          - m["q r"]: 3
          - m[key + "1"]: 4
          - m.l[0 + 1].n: 5
          - m.l[0]: ${m}
    - b: {return: "${m}"}
    """
    inner = {"l": [1, {"n": 5}], "new": 2, "q r": 3, "k1": 4}
    assert run(source).result == {**inner, "l": [inner, {"n": 5}]}


def test_assignment_copies(run: Any) -> None:
    source = "- a: {assign: [{p: {x: [1]}}, {q: '${p}'}, {'q.x[0]': 2}]}\n- b: {return: ['${p}', '${q}']}"
    assert run(source).result == [{"x": [1]}, {"x": [2]}]


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        ("l[1]", "IndexError"),
        ("l.a", "TypeError"),
        ("m.a.b", "KeyError"),
        ("m[1]", "TypeError"),
        ("n.a", "TypeError"),
    ],
)
def test_a_bad_target_fails_with_its_tag(run: Any, target: str, tag: str) -> None:
    assert run(f"- a: {{assign: [{{l: [1]}}, {{m: {{}}}}, {{n: 1}}, {{'{target}': 1}}]}}").tag == tag


def test_lists_are_gathered_in_place_with_the_same_meaning(run: Any) -> None:
    source = """
    - a: {assign: [{l: [0]}, {before: "${l}"}, {l: "${list.concat(l, l)}"}, {l: "${list.concat(l, 2)}"}]}
    - b: {return: ["${before}", "${l}"]}
    """
    assert run(source).result == [[0], [0, [0], 2]]
    assert run('- a: {assign: [{l: 1}, {l: "${list.concat(l, 2)}"}]}').tag == "TypeError"


def test_switch_takes_the_first_true_case_and_falls_through_without_one(run: Any) -> None:
    source = """
    main:
      params: [n]
      steps:
        - s:
            switch:
              - condition: ${n == 1}
                return: one
              - condition: ${n == 2}
                next: two
              - condition: ${n == 3}
                assign: [{n: 33}]
              - condition: ${n == 4}
                steps:
                  - inner: {assign: [{n: 44}]}
                  - out: {next: last}
              - condition: ${n == 5}
                raise: five
        - after: {assign: [{n: "${n + 100}"}], next: last}
        - two: {return: zwei}
        - last: {return: "${n}"}
    """
    assert [run(source, number).result for number in (1, 2, 3, 4, 6)] == ["one", "zwei", 133, 44, 106]
    assert run(source, 5).error == "five"


def test_a_switch_goes_to_its_own_next_without_a_true_case(run: Any) -> None:
    source = "- s: {switch: [{condition: false, next: end}], next: t}\n- u: {return: 1}\n- t: {return: 2}"
    assert run(source).result == 2


def test_a_condition_that_is_no_boolean_is_a_type_error(run: Any) -> None:
    assert run("- a: {assign: [{x: 1}]}\n- s: {switch: [{condition: '${x}', next: end}]}").tag == "TypeError"


def test_a_workflow_without_return_gives_null(run: Any) -> None:
    assert run("- a: {assign: [{x: 1}]}").result is None
    assert run("- a: {next: end}\n- b: {return: 1}").result is None


def test_for_goes_through_lists_and_ranges_and_its_variables_end_with_it(run: Any) -> None:
    source = """
    - a: {assign: [{seen: []}]}
    - b:
        for:
          value: v
          index: i
          in: [a, b]
          steps:
            - c: {assign: [{born: "${v}"}, {seen: "${list.concat(seen, [i, born])}"}]}
    - d:
        for: {value: v, range: [1, 2], steps: [{e: {assign: [{seen: "${list.concat(seen, v)}"}]}}]}
    - f:
        for: {value: v, range: "${[0.5, 2.5]}", steps: [{g: {assign: [{seen: "${list.concat(seen, v)}"}]}}]}
    - h: {return: "${seen}"}
    """
    ran = run(source)
    assert ran.result == [[0, "a"], [1, "b"], 1, 2, 0.5, 1.5, 2.5]


def test_break_and_continue_go_through_nested_blocks(run: Any) -> None:
    source = """
    - a: {assign: [{seen: []}]}
    - loop:
        for:
          value: v
          range: [1, 9]
          steps:
            - t:
                try:
                  steps:
                    - s:
                        switch:
                          - {condition: "${v == 2}", next: continue}
                          - {condition: "${v == 4}", next: break}
                    - note: {assign: [{seen: "${list.concat(seen, v)}"}]}
                except: {steps: [{x: {raise: no}}]}
    - after:
        for:
          value: v
          in: [7]
          steps:
            - inner: {for: {value: w, in: [1, 2], steps: [{j: {next: done}}]}}
    - missed: {return: no}
    - done: {return: "${seen}"}
    """
    ran = run(source)
    assert ran.result == [1, 3]


@pytest.mark.parametrize("loop", ["in: '${5}'", "in: '${x}'", "range: '${[1]}'", "range: ['${x}', 2]"])
def test_a_loop_over_something_else_is_a_type_error(run: Any, loop: str) -> None:
    assert (
        run(
            f"- a: {{assign: [{{x: {{}}}}]}}\n- b: {{for: {{value: v, {loop}, steps: [{{c: {{next: end}}}}]}}}}"
        ).tag
        == "TypeError"
    )


def test_subworkflows_take_named_and_positional_arguments_and_defaults(run: Any) -> None:
    source = """
    main:
      steps:
        - a: {call: f, args: {x: 1}, result: a}
        - b: {call: f, args: {x: 1, y: null}, result: b}
        - c: {assign: [{c: "${f(2, 3)}"}, {d: "${f(f(1, 1), 1) + f(0, 0)}"}]}
        - e: {return: ["${a}", "${b}", "${c}", "${d}"]}
    f:
      params: [x, {y: 10}]
      steps:
        - s: {switch: [{condition: "${y == null}", return: none}]}
        - r: {return: "${x + y}"}
    """
    assert run(source).result == [11, "none", 5, 3]


def test_a_subworkflow_in_an_expression_may_wait(run: Any) -> None:
    source = """
    main:
      steps:
        - a: {assign: [{x: 1}, {x: "${x + f(x) + f(10)}"}, {y: "${false and g()}"}]}
        - b: {switch: [{condition: "${g()}", return: "${x}"}]}
    f:
      params: [n]
      steps: [{s: {call: sys.sleep, args: {seconds: "${n}"}}}, {r: {return: "${n * 2}"}}]
    g: {steps: [{s: {call: sys.log, args: {text: once}}}, {r: {return: true}}]}
    """
    ran = run(source)
    assert ran.result == 1 + 2 + 20
    assert ran.names == ["main/a/f()/s#0", "main/a#1/f()/s#0", "main/b/g()/s#0"]


def test_effects_are_named_by_place_and_count(run: Any) -> None:
    source = """
    - loop:
        for:
          value: v
          in: [1, 2]
          steps:
            - hit: {call: http.get, args: {url: "${v + string}"}}
    """
    source = source.replace("${v + string}", "http://${v}")
    ran = run(source)
    assert ran.names == ["main/loop/hit#0", "main/loop/hit#1"]
    assert ran.effects[0].args == {"url": "http://${v}", "method": "GET"}
    assert (ran.effects[0].step, ran.effects[0].routine) == ("hit", "main")


def test_inputs_may_stand_in_expressions_and_each_is_asked_once(run: Any) -> None:
    source = """
    - a: {assign: [{x: "${[sys.now(), uuid.generate(), sys.now()]}"}, {y: '${sys.get_env("A")}'}]}
    - b: {return: ["${x}", "${y}"]}
    """
    ran = run(source, answer=lambda effect: effect.name)
    assert ran.names == [
        "main/a~sys.now#0",
        "main/a~uuid.generate#0",
        "main/a~sys.now#1",
        "main/a~sys.get_env#0",
    ]
    assert ran.result == [ran.names[:3], ran.names[3]]
    assert ran.effects[3].args == {"name": "A"}


def test_sleeps_logs_and_requests_check_their_arguments(run: Any) -> None:
    def tag(call: str, args: str) -> str:
        return str(run(f"- a: {{assign: [{{n: null}}]}}\n- b: {{call: {call}, args: {{{args}}}}}").tag)

    assert tag("sys.sleep", "seconds: '${n}'") == "TypeError"
    assert tag("sys.sleep", "seconds: -1") == "ValueError"
    assert tag("sys.sleep_until", "time: 5") == "TypeError"
    assert tag("sys.sleep_until", "time: tomorrow") == "ValueError"
    assert tag("sys.log", "text: a, severity: LOUD") == "ValueError"
    assert tag("http.get", "url: 5") == "TypeError"
    assert tag("http.post", "url: u, headers: 5") == "TypeError"


def test_sleep_until_becomes_seconds_since_1970(run: Any) -> None:
    ran = run("- a: {call: sys.sleep_until, args: {time: '1970-01-02T00:00:00Z'}}")
    assert ran.effects[0].args == {"until": 86_400.0}


def test_bytes_cannot_be_returned_from_main(run: Any) -> None:
    assert run("- a: {return: '${json.encode(1)}'}").tag == "TypeError"


def test_where_it_stands_can_be_asked(run: Any) -> None:
    from jubako.boxes.workflows.language import (
        Start,
        advance,
        compile_workflow,
        current_steps,
        initial_state,
        variables,
    )

    program = compile_workflow(
        "main: {steps: [{a: {assign: [{x: 1}]}}, {b: {call: f}}]}\n"
        "f: {steps: [{c: {call: sys.sleep, args: {seconds: 1}}}]}"
    )
    state, _ = advance(program, initial_state(program), Start())
    assert [(step.routine, step.step, step.path) for step in current_steps(state)] == [
        ("main", "b", "main/b"),
        ("f", "c", "main/b/f()/c"),
    ]
    assert variables(state) == {"main": {}}
    assert state.steps == 3
