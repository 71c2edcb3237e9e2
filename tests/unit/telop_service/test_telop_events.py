import json
from dataclasses import replace
from typing import Any

import pytest

from jubako_apps.telop import receptions
from jubako_apps.telop.desk import Status
from jubako_apps.telop.events import Estimate, telling
from jubako_apps.telop.receptions import Reception
from jubako_sdk import put_json, sink

ID = "r-" + "0" * 24
RECEPTION = Reception(
    id=ID, fingerprint="f", name="v.mp4", video="/v.mp4", size=1, script=None, language="en", mode="balanced",
    duration=40.0, segment_seconds=10.0, segments=4,
)  # fmt: skip


@pytest.fixture
def place(tmp_path):
    return sink(str(tmp_path))


async def stream(place: Any, steps: list[Any]) -> list[tuple[str, dict[str, Any]]]:
    """Do one step before each look; return the events."""
    now = [0.0]
    remaining = iter(steps)

    async def settled() -> Status:
        now[0] += 10.0
        found: Status = next(remaining)()
        return found

    told = [
        text
        async for text in telling(place, RECEPTION, settled, Estimate(), look_s=0.0, clock=lambda: now[0])
    ]
    events = []
    for text in told:
        assert text.endswith("\n\n")
        if not text.startswith(":"):
            name, data = text.strip().split("\n")
            events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def publishing(place: Any, state: Any, *names: str, reason: str | None = None) -> Any:
    def step() -> Status:
        for name in names:
            put_json(place, name, {})
        return Status(state=state, reason=reason)

    return step


async def test_the_stream_tells_each_step_once_and_ends_with_the_end(place):
    parts = [receptions.result_name(ID, "ocr", n) for n in range(4)]
    rest = [receptions.result_name(ID, "speech"), receptions.result_name(ID, "report")]
    events = await stream(
        place,
        [
            publishing(place, "RUNNING"),
            publishing(place, "RUNNING", parts[0]),
            publishing(place, "RUNNING"),
            publishing(place, "RUNNING", *parts[1:]),
            publishing(place, "SUCCEEDED", *rest),
        ],
    )
    assert [name for name, _ in events] == ["progress"] * 4 + ["end"]
    assert [data["progress"] for _, data in events[:-1]] == [0.0, 0.15, 0.6, 1.0]
    assert [data["secondsLeft"] for _, data in events[:-1]] == [None, 56.7, 20.0, 0.0]
    assert events[-1][1] == {"state": "SUCCEEDED", "reason": None}


async def test_progress_never_goes_back_even_if_results_vanish(place):
    name = receptions.result_name(ID, "ocr", 0)

    def forget() -> Status:
        place.delete(name)
        return Status(state="RUNNING")

    events = await stream(
        place,
        [publishing(place, "RUNNING", name), forget, publishing(place, "FAILED", reason="v.mp4 is cut off.")],
    )
    told = [data["progress"] for kind, data in events if kind == "progress"]
    assert told == sorted(told)
    assert told[0] == 0.15
    assert events[-1] == ("end", {"state": "FAILED", "reason": "v.mp4 is cut off."})


async def test_an_idle_stream_is_kept_open(place):
    now = iter([Status(state="RUNNING")] * 16 + [Status(state="CANCELLED")])

    async def settled() -> Status:
        return next(now)

    told = [text async for text in telling(place, RECEPTION, settled, Estimate(), look_s=0.0)]
    assert [text.split("\n")[0] for text in told] == [
        "event: progress", ": still there", "event: progress", "event: end",
    ]  # fmt: skip


async def test_a_stream_that_broke_off_is_gone_on_with_as_if_it_had_not(place):
    now, estimate = [0.0], Estimate()

    async def settled() -> Status:
        put_json(place, receptions.result_name(ID, "ocr", round(now[0] / 10)), {})
        now[0] += 10.0
        return Status(state="RUNNING")

    async def left(looks: int) -> list[float | None]:
        stream = telling(place, RECEPTION, settled, estimate, look_s=0.0, clock=lambda: now[0])
        found = [json.loads((await anext(stream)).split("data: ")[1])["secondsLeft"] for _ in range(looks)]
        await stream.aclose()
        return found

    first = await left(2)
    assert first[0] is None
    [again] = await left(1)
    assert (first[1], again) == (46.7, 36.7)


def test_without_a_pace_nobody_knows_how_long_it_takes():
    estimate = Estimate()
    assert estimate.seconds_left(0.0, 0.5) is None
    assert estimate.seconds_left(5.0, 0.5) is None
    assert estimate.seconds_left(10.0, 0.75) == 10.0


def run_of(
    ocr_s: float, speech_s: float, workers: int
) -> list[tuple[float, dict[Any, Any], dict[Any, float]]]:
    """Return the looks at a run of 20 OCR and 6 speech shards on some workers: one whenever shards end."""
    free, looks = [0.0] * workers, []
    counts: dict[Any, Any] = {
        "ocr": {"done": 0, "total": 20},
        "speech": {"done": 0, "total": 6},
        "report": {"done": 0, "total": 1},
    }
    ends = []
    for number in range(26):
        stage, length = ("speech", speech_s) if number % 4 == 1 and number < 24 else ("ocr", ocr_s)
        worker = free.index(min(free))
        free[worker] += length
        ends.append((free[worker], stage, length))
    seconds: dict[Any, float] = {}
    looks.append((0.0, {key: dict(value) for key, value in counts.items()}, {}))
    for end, stage, length in sorted(ends):
        counts[stage]["done"] += 1
        seconds[stage] = seconds.get(stage, 0.0) + length
        looks.append((end, {key: dict(value) for key, value in counts.items()}, dict(seconds)))
    last = {now: look for now, *look in looks}
    return [(now, counts, seconds) for now, (counts, seconds) in last.items()]


@pytest.mark.parametrize(
    ("ocr_s", "speech_s", "workers"), [(10.0, 10.0, 2), (10.0, 3.0, 2), (4.0, 12.0, 1), (6.0, 6.0, 4)]
)
def test_the_time_that_is_left_is_told_truly(ocr_s, speech_s, workers):
    looks, estimate = run_of(ocr_s, speech_s, workers), Estimate()
    end = looks[-1][0] + 1.0 + 0.08 * 20 * ocr_s
    told = [(now, estimate.by_branch(now, counts, seconds)) for now, counts, seconds in looks]
    known = [(now, left) for now, left in told if left is not None]
    assert len(known) >= len(looks) / 2
    for now, left in known:
        # A shard that is under way counts as not begun, so it is never less than one round of shards off.
        assert left == pytest.approx(end - now, rel=0.3, abs=1.5 * max(ocr_s, speech_s))


def test_a_stream_joined_late_tells_from_what_it_has_seen_itself():
    counts: Any = {
        "ocr": {"done": 10, "total": 20},
        "speech": {"done": 1, "total": 1},
        "report": {"done": 0, "total": 1},
    }
    estimate = Estimate()
    assert estimate.by_branch(1000.0, counts, {"ocr": 100.0, "speech": 1.0}) is None
    counts["ocr"]["done"] = 14
    assert estimate.by_branch(1020.0, counts, {"ocr": 140.0, "speech": 1.0}) == 42.0


def test_what_is_told_runs_down_with_the_clock_and_never_jumps_to_what_one_look_sees():
    counts: Any = {
        "ocr": {"done": 10, "total": 40},
        "speech": {"done": 1, "total": 1},
        "report": {"done": 0, "total": 1},
    }
    estimate = Estimate()
    seconds: Any = {"ocr": 100.0, "speech": 1.0}
    estimate.by_branch(1000.0, counts, seconds)
    counts["ocr"]["done"] = 20
    told = estimate.by_branch(1050.0, counts, {"ocr": 200.0, "speech": 1.0})
    assert told is not None
    # Ten shards at once: seen alone, the rest would take a third of what was told.
    counts["ocr"]["done"] = 30
    after = estimate.by_branch(1051.0, counts, {"ocr": 300.0, "speech": 1.0})
    assert after is not None
    assert 0.5 * (told - 1.0) <= after < told - 1.0


def test_speech_that_is_only_read_hardly_counts():
    counts: Any = {stage: {"done": int(stage == "speech"), "total": 4} for stage in receptions.STAGES}
    assert receptions.progress(counts, RECEPTION) == 0.075
    assert receptions.progress(counts, replace(RECEPTION, speech="script")) == 0.005
    done: Any = {stage: {"done": 4, "total": 4} for stage in receptions.STAGES}
    assert receptions.progress(done, replace(RECEPTION, speech="script")) == 1.0
