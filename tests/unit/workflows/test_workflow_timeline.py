"""What an execution did and when, from its journal; what main's steps need of each other, from its source."""

from datetime import UTC, datetime, timedelta

from jubako.boxes.workflows.history import critical_path, replay
from jubako.boxes.workflows.language import EffectDone, EffectFailed, compile_workflow, error_map
from jubako.boxes.workflows.language.dependence import needs, read_source
from jubako.boxes.workflows.timeline import timeline
from jubako.core.timestamps import to_micros

START = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = """
main:
  steps:
    - now: {assign: [{t: "${sys.now()}"}]}
    - ocr: {call: http.get, args: {url: "https://ocr.test"}, result: a}
    - asr: {call: http.get, args: {url: "https://asr.test"}, result: b}
    - both:
        parallel:
          branches:
            - one: {steps: [{x: {call: sys.sleep, args: {seconds: 1}}}]}
            - two: {steps: [{y: {call: http.get, args: {url: "${a.body}"}}}]}
    - done: {return: "${a.code + b.code}"}
"""
REPLY = {"body": "https://next.test", "code": 1, "headers": {}}


def at(seconds: float) -> int:
    return to_micros(START + timedelta(seconds=seconds))


OUTCOMES = [
    (at(0), EffectDone("main/now~sys.now#0", 5.0)),
    (at(10), EffectDone("main/ocr#0", REPLY)),
    (at(16), EffectDone("main/asr#0", REPLY)),
    (at(17), EffectDone("main/both/one/x#0", None)),
    (at(19), EffectDone("main/both/two/y#0", REPLY)),
]


def test_an_effect_lasts_from_the_commit_that_asked_for_it_to_the_commit_of_its_outcome() -> None:
    spans = replay(compile_workflow(SOURCE), None, at(0), OUTCOMES).spans
    times = {span.name: (span.begin, span.end) for span in spans if not span.is_instant}
    assert times == {
        "main/ocr#0": (at(0), at(10)),
        "main/asr#0": (at(10), at(16)),
        "main/both/one/x#0": (at(16), at(17)),
        "main/both/two/y#0": (at(16), at(19)),
    }


def test_the_critical_path_is_the_chain_of_causes_and_not_the_other_branch() -> None:
    path = critical_path(replay(compile_workflow(SOURCE), None, at(0), OUTCOMES))
    assert [span.name for span in path] == ["main/ocr#0", "main/asr#0", "main/both/two/y#0"]


def test_the_sums_tell_what_was_saved_and_what_could_be() -> None:
    history = replay(compile_workflow(SOURCE), None, at(0), OUTCOMES)
    chart = timeline(read_source(SOURCE), history, START, START + timedelta(seconds=19))
    assert chart["seconds"] == 19
    assert chart["oneAfterAnotherSeconds"] == 20
    assert chart["savedSeconds"] == 1
    assert chart["lowerBoundSeconds"] == 13  # ocr, then both; asr beside them
    assert ["ocr", "asr"] in chart["independent"]
    assert ["ocr", "both"] not in chart["independent"]


def test_a_running_step_lasts_until_now_and_a_failed_one_says_so() -> None:
    failed = (at(10), EffectFailed("main/ocr#0", error_map("HttpError", "no")))
    source = SOURCE.replace("- ocr: {", "- ocr: {try: {").replace(
        "result: a}", "result: a}, except: {as: e, steps: [{n: {call: sys.sleep, args: {seconds: 9}}}]}}"
    )
    source = source.replace("${a.body}", "https://x.test").replace("${a.code + b.code}", "ok")
    history = replay(compile_workflow(source), None, at(0), [OUTCOMES[0], failed])
    chart = timeline(read_source(source), history, START, START + timedelta(seconds=12))
    told = [(step["state"], step["seconds"]) for step in chart["steps"]]
    assert told == [("FAILED", 10), ("IN_PROGRESS", 2)]


def test_an_outcome_nobody_waited_for_changes_nothing() -> None:
    program = compile_workflow(SOURCE)
    once = replay(program, None, at(0), OUTCOMES[:2])
    twice = replay(program, None, at(0), [*OUTCOMES[:2], (at(11), OUTCOMES[1][1])])
    assert (once.spans, once.last) == (twice.spans, twice.last)


def of(source: str) -> dict[str, set[str]]:
    steps = read_source(source).routines["main"].steps
    return {name: set(required) for name, required in needs(steps).items()}


def test_a_step_needs_what_it_reads_what_it_overwrites_and_what_those_need() -> None:
    assert of("""
        - a: {assign: [{x: 1}]}
        - b: {assign: [{y: 2}]}
        - c: {assign: [{z: "${x}"}]}
        - d: {assign: [{m: {k: ["${z}"]}}]}
        - e: {assign: [{x: 3}]}
    """) == {"a": set(), "b": set(), "c": {"a"}, "d": {"a", "c"}, "e": {"a", "c"}}


def test_changing_an_element_needs_who_made_the_whole() -> None:
    assert of("[{a: {assign: [{m: {}}]}}, {b: {assign: [{m.k: 1}]}}, {c: {assign: [{o: 1}]}}]") == {
        "a": set(),
        "b": {"a"},
        "c": set(),
    }


def test_a_step_that_jumps_or_returns_is_a_wall() -> None:
    assert of("""
        - a: {assign: [{x: 1}]}
        - b: {switch: [{condition: "${true}", next: d}]}
        - c: {assign: [{y: 1}]}
        - d: {assign: [{z: 1}]}
    """) == {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "b", "c"}}


def test_the_articles_eighteen_minutes_come_down_to_thirteen() -> None:
    """Extract 2, OCR 10 beside ASR 5, reconcile 1: 18 minutes one after another, 13 as it runs."""
    source = """
main:
  steps:
    - extract: {call: http.post, args: {url: "https://x.test"}, result: frames}
    - analyze:
        parallel:
          shared: [frames]
          branches:
            - ocr: {steps: [{run_ocr: {call: http.post, args: {url: "${frames.body}"}}}]}
            - asr: {steps: [{run_asr: {call: http.post, args: {url: "${frames.body}"}}}]}
    - reconcile: {call: http.post, args: {url: "${frames.body}"}}
"""
    outcomes = [
        (at(120), EffectDone("main/extract#0", REPLY)),
        (at(420), EffectDone("main/analyze/asr/run_asr#0", REPLY)),
        (at(720), EffectDone("main/analyze/ocr/run_ocr#0", REPLY)),
        (at(780), EffectDone("main/reconcile#0", REPLY)),
    ]
    history = replay(compile_workflow(source), None, at(0), outcomes)
    chart = timeline(read_source(source), history, START, START + timedelta(minutes=13))
    assert (chart["oneAfterAnotherSeconds"], chart["seconds"]) == (18 * 60, 13 * 60)
    assert chart["savedSeconds"] == 5 * 60
    assert chart["criticalPath"] == ["main/extract#0", "main/analyze/ocr/run_ocr#0", "main/reconcile#0"]
