import json
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

    told = [text async for text in telling(place, RECEPTION, settled, look_s=0.0, clock=lambda: now[0])]
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

    told = [text async for text in telling(place, RECEPTION, settled, look_s=0.0)]
    assert [text.split("\n")[0] for text in told] == [
        "event: progress", ": still there", "event: progress", "event: end",
    ]  # fmt: skip


def test_without_a_pace_nobody_knows_how_long_it_takes():
    estimate = Estimate()
    assert estimate.seconds_left(0.0, 0.5) is None
    assert estimate.seconds_left(5.0, 0.5) is None
    assert estimate.seconds_left(10.0, 0.75) == 10.0
