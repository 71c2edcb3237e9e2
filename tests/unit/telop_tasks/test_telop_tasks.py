import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jubako_apps.telop import receptions
from jubako_apps.telop.intake import Unusable
from jubako_apps.telop.receptions import Reception
from jubako_apps.telop.tasks import EXIT_CANCELLED, EXIT_DATA, EXIT_USAGE, Objects, Results, main, run
from jubako_sdk import Sink, get_json, put_json, sink

ID = "r-" + "0" * 24


class FakeStages:
    """Computes results from the input alone; fails where told to."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.asked: list[range] = []
        self.failures: dict[object, Exception] = {}

    def _note(self, call: object) -> None:
        self.calls.append(call)
        if call in self.failures:
            raise self.failures[call]

    def ocr(self, reception: Reception, video: Path, segments: range) -> object:
        self.asked.append(segments)
        self._note(segments[0])
        return {"segment": segments[0], "text": video.read_text("utf-8")}

    def speech(self, reception: Reception, video: Path, part: int, script: bytes | None) -> object:
        self._note("speech" if part == 0 else f"speech {part}")
        return {"part": part, "script": script.decode() if script else None}

    def report(self, reception: Reception, video: Path, results: Results) -> Objects:
        self._note("report")
        lists = [one.decode() if one else None for one in (results.glossary, results.ng_words)]
        missing = [[one.stage, one.part, one.start, one.end, one.reason] for one in results.missing]
        text = json.dumps([results.segments, results.speech, lists, missing], sort_keys=True).encode()
        return [("telops.json", text), ("report.json", text), ("report.html", text)]


@pytest.fixture
def place(tmp_path):
    return sink(str(tmp_path / "out"))


@pytest.fixture
def stages():
    return FakeStages()


@pytest.fixture
def reception(place):
    place.put(f"receptions/{ID}/video-1", "絵".encode())
    place.put(f"receptions/{ID}/script-1.srt", b"1")
    found = Reception(
        id=ID, fingerprint="f", name="clip.mp4", video=f"receptions/{ID}/video-1", size=3,
        script=f"receptions/{ID}/script-1.srt", language="ja", mode="balanced", duration=100.0,
        segment_seconds=20.0, segments=5,
    )  # fmt: skip
    receptions.create(place, found)
    return found


@pytest.fixture
def do(place, stages) -> Callable[..., int]:
    def execute(stage: Any, index: int = 0, count: int = 1, **more: str) -> int:
        environ = {
            "OUTPUT_URI": place.uri,
            "RECEPTION_ID": ID,
            "CLOUD_RUN_TASK_INDEX": str(index),
            "CLOUD_RUN_TASK_COUNT": str(count),
        }
        return run(stage, stages, environ | more)

    return execute


def results(place: Sink) -> dict[str, bytes]:
    return {name: place.get(name) for name in place.list(f"receptions/{ID}/") if "/timing/" not in name}


@pytest.mark.usefixtures("reception")
def test_the_shards_of_all_tasks_cover_every_segment_once(do, stages, place):
    for index in range(3):
        assert do("ocr", index, 3) == 0
    assert sorted(stages.calls) == [0, 1, 2, 3, 4]
    assert len(list(place.list(f"receptions/{ID}/ocr/"))) == 5


@pytest.mark.usefixtures("reception")
def test_a_task_looks_at_neighbours_and_is_told_which_come_next(do, stages):
    do("ocr", 1, 2)
    assert stages.asked == [range(2, 5), range(3, 5), range(4, 5)]


@pytest.mark.usefixtures("reception")
def test_a_whole_run_ends_in_the_report_and_says_how_long_each_part_took(do, place, capsys):
    assert [do("ocr"), do("speech"), do("report")] == [0, 0, 0]
    assert json.loads(place.get(f"receptions/{ID}/report.json"))[1] == [{"part": 0, "script": "1"}]
    assert set(receptions.seconds(place, ID)) == {"ocr", "speech", "report"}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"stage": "ocr", "done": 5, "total": 5} in [line.get("progress") for line in lines]


@pytest.mark.usefixtures("reception")
def test_one_bad_segment_loses_no_other_and_the_report_is_told_what_is_missing(do, stages, place):
    stages.failures[4] = Unusable("clip.mp4 breaks off at 1:31.")
    stages.failures["speech"] = Unusable("The sound cannot be decoded.")
    assert [do("ocr"), do("speech"), do("report")] == [EXIT_DATA, EXIT_DATA, 0]
    report = json.loads(place.get(f"receptions/{ID}/report.json"))
    assert [part["segment"] for part in report[0]] == [0, 1, 2, 3]
    assert report[1] == []
    assert report[3] == [
        ["ocr", 5, 80.0, 100.0, "clip.mp4 breaks off at 1:31."],
        ["speech", 1, 0.0, 100.0, "The sound cannot be decoded."],
    ]


@pytest.mark.usefixtures("reception")
def test_without_any_segment_there_is_no_report_but_the_reason(do, stages, place):
    for segment in range(5):
        stages.failures[segment] = Unusable(f"Part {segment} is broken.")
    assert [do("ocr"), do("speech"), do("report")] == [EXIT_DATA, 0, EXIT_DATA]
    assert "report" not in stages.calls
    assert receptions.reason_of(place, ID) == "Part 0 is broken."


def test_listening_is_divided_and_the_report_is_given_every_part_and_the_lists(place, stages, do):
    place.put(f"receptions/{ID}/video-1", b"v")
    place.put(f"receptions/{ID}/glossary-1.csv", b"Jubako")
    found = Reception(
        id=ID, fingerprint="f", name="clip.mp4", video=f"receptions/{ID}/video-1", size=1, script=None,
        language="en", mode="balanced", duration=90.0, segment_seconds=90.0, segments=1, speech_parts=3,
        glossary=f"receptions/{ID}/glossary-1.csv",
    )  # fmt: skip
    receptions.create(place, found)
    assert receptions.load(place, ID) == found
    assert [do("speech", 1, 2), do("speech", 0, 2), do("ocr"), do("report")] == [0, 0, 0, 0]
    assert sorted(map(str, stages.calls)) == ["0", "report", "speech", "speech 1", "speech 2"]
    assert receptions.branches(place, found)["speech"] == {"done": 3, "total": 3}
    report = json.loads(place.get(f"receptions/{ID}/report.json"))
    assert [part["part"] for part in report[1]] == [0, 1, 2]
    assert report[2] == ["Jubako", None]


@pytest.mark.usefixtures("reception")
@pytest.mark.parametrize("again", ["0", "1"])
def test_doing_any_shard_again_changes_no_byte(do, stages, place, again):
    for stage in ("ocr", "speech", "report"):
        do(stage)
    before, calls = results(place), len(stages.calls)
    for stage in ("ocr", "speech", "report"):
        assert do(stage, TELOP_AGAIN=again, CLOUD_RUN_TASK_ATTEMPT="1") == 0
    assert results(place) == before
    assert len(stages.calls) == calls * (2 if again == "1" else 1)


@pytest.mark.usefixtures("reception")
def test_a_shard_that_fails_keeps_no_other_from_its_result_and_says_why(do, stages, place):
    stages.failures[1] = Unusable("clip.mp4 is cut off at 0:31.")
    assert do("ocr") == EXIT_DATA
    assert len(list(place.list(f"receptions/{ID}/ocr/"))) == 4
    assert receptions.reason_of(place, ID) == "clip.mp4 is cut off at 0:31."


@pytest.mark.usefixtures("reception")
def test_what_cannot_get_better_is_not_tried_again_but_a_new_run_tries(do, stages):
    stages.failures["speech"] = Unusable("no sound")
    assert do("speech") == EXIT_DATA
    assert do("speech", CLOUD_RUN_TASK_ATTEMPT="1") == EXIT_DATA
    assert stages.calls == ["speech"]
    stages.failures.clear()
    assert do("speech") == 0


@pytest.mark.usefixtures("reception")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "not enough memory"),
        (OSError(28, "No space left on device"), "no space left"),
        (ZeroDivisionError("x"), "ZeroDivisionError"),
    ],
)
def test_what_nobody_expected_is_explained_and_tried_again(do, stages, place, error, words):
    stages.failures[3] = error
    with pytest.raises(type(error)):
        do("ocr")
    reason = receptions.reason_of(place, ID)
    assert reason is not None
    assert words in reason
    assert reason.startswith("Reading the captions of clip.mp4 in part 4 of 5 stopped")
    stages.failures.clear()
    assert do("ocr", CLOUD_RUN_TASK_ATTEMPT="1") == 0
    assert receptions.reason_of(place, ID) is None


@pytest.mark.usefixtures("reception")
def test_nothing_is_done_for_a_cancelled_reception(do, stages, place):
    receptions.cancel(place, ID)
    assert do("ocr") == EXIT_CANCELLED
    assert stages.calls == []


@pytest.mark.usefixtures("reception")
@pytest.mark.parametrize(
    "environ",
    [
        {"RECEPTION_ID": "r-" + "1" * 24},
        {"RECEPTION_ID": "../../x"},
        {"RECEPTION_ID": ""},
        {"OUTPUT_URI": ""},
        {"OUTPUT_URI": "gs://b"},
        {"CLOUD_RUN_TASK_INDEX": "7"},
    ],
)
def test_a_wrong_environment_is_said_at_once(do, environ):
    assert do("ocr", **environ) == EXIT_USAGE


@pytest.mark.parametrize(("change", "words"), [("gone", "no longer where"), ("grown", "changed after")])
def test_a_video_on_the_server_that_is_not_what_was_received_is_refused(
    place, tmp_path, stages, change, words
):
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"12345")
    found = Reception(
        id=ID, fingerprint="f", name="clip.mp4", video=str(video), size=5, script=None, language="en",
        mode="balanced", duration=10.0, segment_seconds=20.0, segments=1,
    )  # fmt: skip
    receptions.create(place, found)
    if change == "gone":
        video.unlink()
    else:
        video.write_bytes(b"123456")
    assert run("ocr", stages, {"OUTPUT_URI": place.uri, "RECEPTION_ID": ID}) == EXIT_DATA
    assert words in get_json(place, receptions.error_name(ID, "ocr", 0))["reason"]


@pytest.mark.parametrize("argv", [["x"], ["x", "ocr", "y"], ["x", "paint"]])
def test_an_unknown_stage_is_a_usage_error(argv, stages, capsys):
    assert main(argv, lambda: stages) == EXIT_USAGE
    assert "usage" in capsys.readouterr().err


def test_progress_never_goes_back_whatever_order_results_come_in(place, reception):
    seen = []
    names = [receptions.result_name(ID, "ocr", n) for n in (4, 0, 2, 1, 3)]
    for name in [
        *names[:3],
        receptions.result_name(ID, "speech"),
        *names[3:],
        f"receptions/{ID}/report.html",
    ]:
        put_json(place, name, {})
        seen.append(receptions.progress(receptions.branches(place, reception), reception))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
