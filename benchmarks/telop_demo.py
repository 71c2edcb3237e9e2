"""One video checked three ways on one server in one run, with the critical path and what bounds it.

1. sequential: captions, speech, report one after another, one task each: what a person would run without a workflow.
   Every task uses one thread for recognition and one for decoding.
2. parallel: the workflow with one task for captions beside one for speech.
3. sharded: the workflow as the reception service starts it: as many tasks for captions as there are cores, and one for
   each part of the speech, of which as many run at once.

The reception service is up when the clock starts: it waits for videos, and the sequential run does not need it.
Processor seconds are those of the server and everything it starts.

Usage: python benchmarks/telop_demo.py [--lang en] [--times 1] [--segment-seconds 10] [--repeat 1] [--cold] [--parts]
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jubako.testing.server import PARENT, ServerProcess
from jubako.testing.telop import JOBS, TelopOnServer
from jubako_apps.telop import media
from telop_hour import repeated
from telop_parts import parts_of

LOOK_S = 0.2
"""Asking more often would itself take from the two cores."""

CLIPS = Path(__file__).parents[1] / "src/jubako_apps/telop/clips"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Spent:
    """Wall time and processor time, both in seconds."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} s ({self.cpu:.1f} CPU s)"


def spent(server: ServerProcess, work: Callable[[], Any]) -> Spent:
    """Do ``work`` and return what it took; the processor time is that of the server and all that it runs."""
    began, busy = time.perf_counter(), processor_s({server.pid, server.supervisor_pid()})
    work()
    wall = time.perf_counter() - began
    return Spent(wall, processor_s({server.pid, server.supervisor_pid()}) - busy)


def processor_s(pids: set[int]) -> float:
    """Return the processor seconds of these processes, all below them, and all of those that have ended."""
    seen = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = path.read_text("utf-8", "replace").rpartition(")")[2].split()
            seen[int(path.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    found: set[int] = set()
    while pids - found:
        found |= pids
        pids = {pid for pid, (parent, _) in seen.items() if parent in found}
    return sum(seen[pid][1] for pid in found if pid in seen) / TICKS


def sharded(telop: TelopOnServer, video: Path, **fields: object) -> dict[str, Any]:
    """Hand in the video and return the reception when it is done."""
    view = telop.submit(video, **fields)
    while view["state"] not in {"SUCCEEDED", "FAILED"}:
        threading.Event().wait(LOOK_S)
        view = telop.look(view["id"])
    assert view["state"] == "SUCCEEDED", view
    return view


def parallel(telop: TelopOnServer, view: dict[str, Any]) -> None:
    """Run the same workflow with one task for each branch."""
    telop.forget_results(view["id"])
    argument = {
        "reception": view["id"],
        "segments": view["segments"],
        "ocr_tasks": 1,
        "speech_tasks": 1,
        "output_uri": f"file://{telop.output}",
    }
    telop.run_workflow(argument)


def sequential(telop: TelopOnServer, view: dict[str, Any]) -> dict[str, Spent]:
    """Return what each job takes, run alone as one task."""
    telop.forget_results(view["id"])
    return {
        stage: spent(telop.server, lambda name=name: telop.run_job(name, view["id"], taskCount=1))  # type: ignore[misc]
        for name, stage in JOBS.items()
    }


def critical_path(telop: TelopOnServer, asked: float, seconds: float) -> str:
    """Name what the newest run of the workflow waited for, from the executions' own times."""
    spans = {stage: span(telop, job) for job, stage in JOBS.items()}
    last, other = sorted(("ocr", "speech"), key=lambda stage: -spans[stage][1])
    (start, end), report = spans[last], spans["report"]
    return (
        f"start {start - asked:.2f} s, {last} {end - start:.2f} s ({other} was ready {end - spans[other][1]:.2f} s "
        f"before), between {report[0] - end:.2f} s, report {report[1] - report[0]:.2f} s, "
        f"end {asked + seconds - report[1]:.2f} s"
    )


def span(telop: TelopOnServer, job: str) -> tuple[float, float]:
    """Return when the newest execution of a job was created and was done, as Unix seconds."""
    execution = telop.server.get(f"/v2/{PARENT}/jobs/{job}/executions")["executions"][0]
    return instant(execution["createTime"]), instant(execution["completionTime"])


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def compared(
    server: ServerProcess, video: Path, given: argparse.Namespace, fields: dict[str, object]
) -> None:
    """Run all three and print what they took."""
    cores = os.cpu_count() or 1
    telop = TelopOnServer(server, is_warm=not given.cold, tasks_max=cores)
    telop.wake()
    views: list[dict[str, Any]] = []
    asked = time.time()
    split = spent(server, lambda: views.append(sharded(telop, video, **fields)))
    split_path, view = critical_path(telop, asked, split.wall), views[0]
    asked = time.time()
    beside = spent(server, lambda: parallel(telop, view))
    beside_path = critical_path(telop, asked, beside.wall)
    alone = sequential(telop, view)
    total = Spent(sum(one.wall for one in alone.values()), sum(one.cpu for one in alone.values()))
    each = ", ".join(f"{stage} {one}" for stage, one in alone.items())
    factors = ", ".join(f"{stage} {one.wall / view['duration']:.3f}" for stage, one in alone.items())
    report = alone["report"].wall
    bound = ((total.wall - report) / cores + report) / total.wall
    print(
        f"{view['language']}, {view['duration']:.0f} s of video, {view['segments']} segments, {cores} cores\n"
        f"sequential {total}: {each}\n"
        f"  real-time factor: {factors}\n"
        f"parallel   {beside}, ratio {beside.wall / total.wall:.2f}; {beside_path}\n"
        f"sharded    {split}, ratio {split.wall / total.wall:.2f}; {split_path}\n"
        f"  bound: captions and speech on {cores} cores without loss, then the report: {bound:.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lang", choices=("en", "ja"), default="en")
    parser.add_argument("--times", type=int, default=1, help="how often the clip is repeated in the video")
    parser.add_argument("--segment-seconds", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--cold", action="store_true", help="start every task from nothing")
    parser.add_argument("--parts", action="store_true", help="also what reading the captions consists of")
    given = parser.parse_args()
    fields: dict[str, object] = {"language": given.lang, "segment_seconds": given.segment_seconds}
    if given.lang == "ja":
        fields["script"] = str(CLIPS / "ja.srt")
    with tempfile.TemporaryDirectory() as folder:
        video, clip = Path(folder) / f"{given.lang}.mp4", CLIPS / f"{given.lang}.mp4"
        repeated(clip, video, given.times, media.probe(clip).duration)
        for _ in range(given.repeat):
            with ServerProcess(Path(tempfile.mkdtemp(dir=folder)) / "state") as server:
                compared(server, video, given, fields)
        if given.parts:
            print(parts_of(clip))


if __name__ == "__main__":
    main()
