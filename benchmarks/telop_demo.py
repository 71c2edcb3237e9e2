"""One clip checked with OCR and speech in parallel, beside the same work one after another; with the critical path.

Both runs are the deployed application on one server, with the same shards; the sequential run executes the jobs one
after another with one task at a time. The reception service is up when the clock starts: it waits for videos, and the
sequential run does not need it.

Usage: python benchmarks/telop_demo.py [--lang en] [--segment-seconds 10] [--repeat 2] [--cold] [--tasks N]
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from jubako.testing.server import PARENT, ServerProcess
from jubako.testing.telop import JOBS, TelopOnServer

LOOK_S = 0.2
"""Asking more often would itself take from the two cores."""

CLIPS = Path(__file__).parents[1] / "src/jubako_apps/telop/clips"


def parallel(telop: TelopOnServer, video: Path, **fields: object) -> tuple[float, dict[str, Any], float]:
    """Return the seconds of a reception from request to result, the reception, and when it was asked for."""
    telop.wake()
    asked, began = time.time(), time.perf_counter()
    view = telop.submit(video, **fields)
    while view["state"] not in {"SUCCEEDED", "FAILED"}:
        threading.Event().wait(LOOK_S)
        view = telop.look(view["id"])
    assert view["state"] == "SUCCEEDED", view
    return time.perf_counter() - began, view, asked


def critical_path(telop: TelopOnServer, asked: float, seconds: float) -> str:
    """Name what the parallel run waited for, from the executions' own times."""
    spans = {job: span(telop, job) for job in JOBS}
    last = max(("telop-ocr", "telop-speech"), key=lambda job: spans[job][1])
    start, end = spans[last]
    report = spans["telop-report"]
    other = next(job for job in ("telop-ocr", "telop-speech") if job != last)
    return (
        f"critical path: start {start - asked:.2f} s, {last} {end - start:.2f} s "
        f"({other} was ready {end - spans[other][1]:.2f} s before), between {report[0] - end:.2f} s, "
        f"report {report[1] - report[0]:.2f} s, end {asked + seconds - report[1]:.2f} s"
    )


def span(telop: TelopOnServer, job: str) -> tuple[float, float]:
    """Return when the newest execution of a job was created and was done, as Unix seconds."""
    execution = telop.server.get(f"/v2/{PARENT}/jobs/{job}/executions")["executions"][0]
    return instant(execution["createTime"]), instant(execution["completionTime"])


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def sequential(telop: TelopOnServer, view: dict[str, Any], tasks: int) -> dict[str, float]:
    """Return the seconds of each job, run alone, one task at a time."""
    telop.forget_results(view["id"])
    seconds = {}
    for name, stage in JOBS.items():
        job = f"/v2/{PARENT}/jobs/{name}"
        template = telop.server.get(job)["template"]
        telop.server.call("PATCH", job, {"template": {**template, "parallelism": 1}})
        began = time.perf_counter()
        telop.run_job(name, view["id"], taskCount=min(tasks, view["branches"][stage]["total"]))
        seconds[name] = time.perf_counter() - began
        telop.server.call("PATCH", job, {"template": template})
    return seconds


def told(view: dict[str, Any], together: float, parts: dict[str, float]) -> Iterator[str]:
    """Yield the lines of one repetition."""
    alone = sum(parts.values())
    each = ", ".join(f"{name.removeprefix('telop-')} {part:.1f}" for name, part in parts.items())
    yield (
        f"{view['language']} {view['duration']:.0f} s of video, {view['segments']} segments, {os.cpu_count()} cores: "
        f"parallel {together:.1f} s, one after another {alone:.1f} s ({each}), ratio {together / alone:.2f}"
    )
    factors = (f"{name.removeprefix('telop-')} {part / view['duration']:.2f}" for name, part in parts.items())
    yield f"real-time factor, alone on one task: {', '.join(factors)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lang", choices=("en", "ja"), default="en")
    parser.add_argument("--segment-seconds", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--cold", action="store_true", help="start every task from nothing")
    parser.add_argument("--tasks", type=int, default=os.cpu_count(), help="tasks of one job; default: cores")
    given = parser.parse_args()
    fields: dict[str, object] = {"language": given.lang, "segment_seconds": given.segment_seconds}
    if given.lang == "ja":
        fields["script"] = str(CLIPS / "ja.srt")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.repeat):
            with ServerProcess(Path(tempfile.mkdtemp(dir=folder)) / "state") as server:
                telop = TelopOnServer(server, is_warm=not given.cold, tasks_max=given.tasks)
                together, view, asked = parallel(telop, CLIPS / f"{given.lang}.mp4", **fields)
                path = critical_path(telop, asked, together)
                for line in [*told(view, together, sequential(telop, view, given.tasks)), path]:
                    print(line, flush=True)


if __name__ == "__main__":
    main()
