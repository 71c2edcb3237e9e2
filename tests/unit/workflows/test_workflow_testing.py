"""jubako.testing.workflow: the same machine, stubs outside, time that passes by itself."""

from datetime import timedelta

import pytest

from jubako.testing.workflow import Answer, MissingStub, WorkflowFailed, WorkflowUnderTest

CALLS = """
main:
  params: [input]
  steps:
    - prepare: {assign: [{url: "${'https://api.test/' + input.name}"}]}
    - ask:
        try:
          call: http.post
          args: {url: "${url}", body: {n: 1}}
          result: reply
        retry: ${http.default_retry}
    - job:
        call: googleapis.run.v2.projects.locations.jobs.run
        args: {name: projects/p/locations/l/jobs/j}
        result: done
    - finish: {return: {code: "${reply.code}", body: "${reply.body}", job: "${done.name}"}}
"""


def test_stubs_answer_and_the_trace_tells_each_step() -> None:
    flow = WorkflowUnderTest(CALLS)
    flow.http("POST", "https://api.test/*", returns={"id": 7}).connector(
        "googleapis.run.*", returns={"name": "e1"}
    )
    run = flow.run({"name": "a"})
    assert run.result == {"code": 200, "body": {"id": 7}, "job": "e1"}
    assert [step.removeprefix("main/") for step in run.trace] == [
        "prepare",
        "ask",
        "job",
        "finish",
    ]
    (call,) = run.calls("http.*")
    assert (call.args["url"], call.args["body"], call.step) == ("https://api.test/a", {"n": 1}, "ask")


def test_a_retry_meets_the_answers_in_order_and_waits_in_virtual_time() -> None:
    flow = WorkflowUnderTest(CALLS).connector("*", returns={"name": "e"})
    flow.http("POST", "*", Answer(code=503), Answer(raises="ConnectionError"), Answer(returns="at last"))
    run = flow.run({"name": "a"})
    assert run.result["body"] == "at last"
    assert len(run.calls("http.post")) == 3
    assert run.elapsed == timedelta(seconds=1 + 1.25)


def test_what_has_no_stub_is_named_with_the_stub_it_needs() -> None:
    with pytest.raises(MissingStub, match=r"flow.http\('POST', 'https://api.test/a', returns=...\)"):
        WorkflowUnderTest(CALLS).run({"name": "a"})


def test_a_failed_execution_has_its_error_and_no_result() -> None:
    flow = WorkflowUnderTest(CALLS).http("*", "*", code=404, returns={"why": "gone"})
    run = flow.run({"name": "a"})
    assert (run.state, run.error["code"], run.error["body"]) == ("FAILED", 404, {"why": "gone"})
    assert 'in step "ask"' in run.context
    with pytest.raises(WorkflowFailed, match="404"):
        _ = run.result


def test_a_year_passes_at_once_and_the_clock_of_the_workflow_shows_it() -> None:
    flow = WorkflowUnderTest("""
main:
  steps:
    - before: {assign: [{t: "${sys.now()}"}]}
    - rest: {call: sys.sleep, args: {seconds: 31536000}}
    - done: {return: "${sys.now() - t}"}
""")
    run = flow.run()
    assert run.result == 31_536_000
    assert run.elapsed == timedelta(days=365)


def test_branches_go_on_in_the_order_of_their_virtual_times() -> None:
    flow = WorkflowUnderTest("""
main:
  steps:
    - init: {assign: [{seen: []}]}
    - both:
        parallel:
          shared: [seen]
          branches:
            - slow:
                steps:
                  - s: {call: http.get, args: {url: "https://slow.test"}}
                  - s2: {assign: [{seen: "${list.concat(seen, 'slow')}"}]}
            - quick:
                steps:
                  - q: {call: http.get, args: {url: "https://quick.test"}}
                  - q2: {assign: [{seen: "${list.concat(seen, 'quick')}"}]}
    - done: {return: "${seen}"}
""")
    flow.http("GET", "https://slow.test", after=9).http("GET", "https://quick.test", after=2)
    run = flow.run()
    assert run.result == ["quick", "slow"]
    assert run.elapsed == timedelta(seconds=9)


WAITS = """
main:
  steps:
    - make: {call: events.create_callback_endpoint, args: {http_callback_method: POST}, result: point}
    - log: {call: sys.log, args: {text: "${point.url}"}}
    - wait: {call: events.await_callback, args: {callback: "${point}", timeout: 60}, result: came}
    - done: {return: "${came.http_request.body}"}
"""


def test_a_callback_comes_after_its_time_or_the_wait_ends() -> None:
    run = WorkflowUnderTest(WAITS).callback({"ok": True}, after=30).run()
    assert run.result == {"ok": True}
    assert run.logs[0].startswith("https://callback.test/")
    assert run.elapsed == timedelta(seconds=30)
    late = WorkflowUnderTest(WAITS).run()
    assert "TimeoutError" in late.error["tags"]
    assert late.elapsed == timedelta(seconds=60)


PARTS = """
main: {steps: [{a: {call: http.get, args: {url: "https://never.test"}}}]}
add:
  params: [one, {other: 10}]
  steps:
    - sum: {assign: [{total: "${one + other}"}]}
    - tell: {call: http.post, args: {url: "https://x.test", body: "${total}"}}
    - done: {return: "${total}"}
"""


def test_a_subworkflow_runs_alone_with_its_arguments_and_defaults() -> None:
    flow = WorkflowUnderTest(PARTS).http("POST", "https://x.test", returns=None)
    run = flow.run_subworkflow("add", one=1)
    assert run.result == 11
    assert run.trace == ["add/sum", "add/tell", "add/done"]
    assert flow.run_subworkflow("add", one=1, other=2).result == 3
    for given in ({}, {"one": 1, "third": 3}):
        with pytest.raises(TypeError, match=r"subworkflow add takes one, other \(optional\); given: "):
            flow.run_subworkflow("add", **given)


def test_a_subworkflow_that_there_is_not_is_named_with_those_there_are() -> None:
    with pytest.raises(LookupError, match="no subworkflow sub; there are: add"):
        WorkflowUnderTest(PARTS).run_subworkflow("sub")
