"""The application's workflow, run on the workflow machine with the jobs played by the test."""

from importlib.resources import files
from typing import Any

import pytest

from jubako.boxes.workflows.language import (
    EffectDone,
    EffectFailed,
    EffectKind,
    Start,
    State,
    Status,
    advance,
    compile_workflow,
    error_map,
    initial_state,
)

INPUT = {"reception": "r-1", "segments": 3, "ocr_tasks": 3, "speech_tasks": 2, "output_uri": "file:///o"}


@pytest.fixture(scope="module")
def program():
    return compile_workflow(files("jubako_apps.telop").joinpath("workflow.yaml").read_text("utf-8"))


def job_of(effect: Any) -> str:
    name: str = effect.args["name"]
    return name.rpartition("/")[2]


def play(program: Any, failing: Any = ()) -> tuple[State, list[list[str]]]:
    """Run to the end; return the state and the jobs in the order in which they were asked for, by rounds."""
    state, effects = advance(program, initial_state(program, INPUT), Start())
    rounds = []
    while effects:
        jobs = [job_of(effect) for effect in effects if effect.kind is EffectKind.CONNECTOR]
        if jobs:
            rounds.append(sorted(jobs))
        following = []
        for effect in effects:
            state, more = advance(program, state, outcome(effect, failing))
            following += more
        effects = following
    return state, rounds


def outcome(effect: Any, failing: Any) -> EffectDone | EffectFailed:
    if effect.kind is EffectKind.ENV:
        return EffectDone(effect.name, "here")
    if job_of(effect) in failing:
        return EffectFailed(effect.name, error_map("OperationError", f"{job_of(effect)} failed"))
    return EffectDone(effect.name, {"name": "execution"})


def test_it_compiles_without_a_warning(program):
    assert program.warnings == ()


def test_captions_and_speech_are_worked_on_together_and_compared_then(program):
    state, rounds = play(program)
    assert rounds == [["telop-ocr", "telop-speech"], ["telop-report"]]
    assert state.status is Status.SUCCEEDED
    assert isinstance(state.result, dict)
    assert state.result["report_json"] == "file:///o/receptions/r-1/report.json"


def test_each_job_is_told_its_reception_and_how_its_work_is_split(program):
    state, effects = advance(program, initial_state(program, INPUT), Start())
    while effects[0].kind is EffectKind.ENV:
        state, effects = advance(program, state, EffectDone(effects[0].name, "here"))
    overrides = {job_of(effect): effect.args["body"]["overrides"] for effect in effects}
    assert overrides["telop-ocr"]["taskCount"] == 3
    assert overrides["telop-speech"]["taskCount"] == 2
    for override in overrides.values():
        [container] = override["containerOverrides"]
        assert {"name": "RECEPTION_ID", "value": "r-1"} in container["env"]
    assert effects[0].args["name"] == "projects/here/locations/here/jobs/telop-ocr"


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        ({"telop-ocr", "telop-report"}, "captions could not be read"),
        ({"telop-speech", "telop-report"}, "speech could not be heard"),
        ({"telop-ocr", "telop-speech", "telop-report"}, "captions could not be read"),
        ({"telop-report"}, "report could not be made"),
    ],
)
def test_without_a_report_it_ends_with_the_sentence_of_what_failed_first(program, failing, words):
    state, rounds = play(program, failing)
    assert state.status is Status.FAILED
    assert words in str(state.error)
    assert len(rounds) == 2


@pytest.mark.parametrize("failing", [{"telop-ocr"}, {"telop-speech"}, {"telop-ocr", "telop-speech"}])
def test_what_failed_in_a_branch_does_not_keep_the_rest_from_its_report(program, failing):
    state, rounds = play(program, failing)
    assert state.status is Status.SUCCEEDED
    assert rounds[-1] == ["telop-report"]
