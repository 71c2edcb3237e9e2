"""``jubako up --clock virtual``: a workflow that takes a year takes no time, and ends as it would have."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jubako.core.timestamps import parse_timestamp
from jubako.testing.server import ApiError, ServerProcess

PLACE = "/v1/projects/p/locations/asia-northeast1/workflows"
YEAR = """
main:
  steps:
    - begin: {assign: [{tries: 0}]}
    - sleep: {call: sys.sleep, args: {seconds: 31536000}}
    - again:
        try:
          steps:
            - count: {assign: [{tries: "${tries + 1}"}]}
            - fail: {switch: [{condition: "${tries < 4}", raise: {code: 503}}]}
        retry:
          predicate: "${http.default_retry_predicate}"
          max_retries: 5
          backoff: {initial_delay: 60, max_delay: 3600, multiplier: 2}
    - endpoint: {call: events.create_callback_endpoint, args: {http_callback_method: POST}, result: callback}
    - await:
        try: {call: events.await_callback, args: {callback: "${callback}", timeout: 86400}}
        except: {as: e, steps: [{told: {assign: [{tags: "${e.tags}"}]}}]}
    - done: {return: {tries: "${tries}", tags: "${tags}"}}
"""
NAP = "[{nap: {call: sys.sleep, args: {seconds: 864000}}}, {done: {return: woken}}]"


def deploy(server: ServerProcess, name: str, source: str) -> None:
    server.post(f"{PLACE}?workflowId={name}", {"sourceContents": source})


def run(server: ServerProcess, name: str) -> Any:
    begun = server.post(f"{PLACE}/{name}/executions", {})
    return server.post(f"/jubako/v1/{begun['name']}:wait", {"timeout": "20s"})


@pytest.fixture
def virtual(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "state", flags=["--clock", "virtual"]) as server:
        yield server


@pytest.fixture
def manual(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "state", flags=["--clock", "manual"]) as server:
        yield server


def test_a_year_of_sleep_retries_and_a_callback_nobody_calls_end_at_once(virtual: ServerProcess) -> None:
    deploy(virtual, "year", YEAR)
    began = time.monotonic()
    ended = run(virtual, "year")
    assert time.monotonic() - began < 5
    assert json.loads(ended["result"]) == {"tries": 4, "tags": ["TimeoutError"]}
    lasted = parse_timestamp(ended["endTime"]) - parse_timestamp(ended["startTime"])
    seconds = 31_536_000 + 60 + 120 + 240 + 86_400
    assert seconds <= lasted.total_seconds() < seconds + 5
    entries = virtual.get(f"/v1/{ended['name']}/stepEntries?filter=step=sleep")["stepEntries"]
    slept = parse_timestamp(entries[0]["updateTime"]) - parse_timestamp(entries[0]["createTime"])
    assert slept.days == 365


def test_the_journal_is_the_one_a_real_clock_writes(virtual: ServerProcess, tmp_path: Path) -> None:
    source = YEAR.replace("31536000", "0.01").replace("timeout: 86400", "timeout: 0.01")
    source = source.replace("initial_delay: 60, max_delay: 3600", "initial_delay: 0.01, max_delay: 1")
    deploy(virtual, "w", YEAR)
    with ServerProcess(tmp_path / "real") as real:
        deploy(real, "w", source)
        journals = [
            [
                step["outcome"]["name"]
                for step in json.loads(server.get(f"/v1/{run(server, 'w')['name']}:exportData")["data"])[
                    "journal"
                ]
            ]
            for server in (virtual, real)
        ]
    assert journals[0] == journals[1]
    assert len(journals[0]) == 6


def test_by_hand_time_goes_as_far_as_it_is_told_and_survives_a_crash(manual: ServerProcess) -> None:
    deploy(manual, "nap", NAP)
    begun = manual.post(f"{PLACE}/nap/executions", {})
    assert manual.get("/jubako/v1/clock")["mode"] == "manual"
    manual.post("/jubako/v1/clock:advance", {"duration": f"{9 * 86_400}s"})
    assert manual.get(f"/v1/{begun['name']}")["state"] == "ACTIVE"
    for duration in ("", "x", "-1s", "99999999999s"):
        with pytest.raises(ApiError, match="duration"):
            manual.post("/jubako/v1/clock:advance", {"duration": duration})
    before = manual.get("/jubako/v1/clock")
    assert before["nextDue"]
    manual.kill()
    manual.restart()
    assert parse_timestamp(manual.get("/jubako/v1/clock")["now"]) > parse_timestamp(before["now"])
    manual.post("/jubako/v1/clock:advance", {"duration": "86400s"})
    ended = manual.get(f"/v1/{begun['name']}")
    assert ended["result"] == '"woken"'


def test_a_call_that_is_under_way_is_waited_for(virtual: ServerProcess) -> None:
    deploy(virtual, "child", "[{a: {assign: [{x: 1}]}}, {b: {return: '${x}'}}]")
    deploy(
        virtual,
        "both",
        """
main:
  steps:
    - log: {assign: [{order: []}]}
    - both:
        parallel:
          shared: [order]
          branches:
            - slow:
                steps:
                  - nap: {call: sys.sleep, args: {seconds: 31536000}}
                  - n: {assign: [{order: '${list.concat(order, "nap")}'}]}
            - quick:
                steps:
                  - call:
                      call: googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run
                      args: {workflow_id: child}
                  - n: {assign: [{order: '${list.concat(order, "call")}'}]}
    - done: {return: "${order}"}
""",
    )
    assert json.loads(run(virtual, "both")["result"]) == ["call", "nap"]


def test_a_real_clock_is_not_moved(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "state") as real:
        assert real.get("/jubako/v1/clock")["mode"] == "real"
        with pytest.raises(ApiError, match="--clock manual"):
            real.post("/jubako/v1/clock:advance", {"duration": "1s"})
