"""One clip checked with OCR and speech in parallel, beside the same work one after another.

Both runs are the deployed application on one server, with the same shards; the sequential run executes the jobs one
after another with one task at a time.

Usage: python benchmarks/telop_demo.py [--lang en] [--segment-seconds 10] [--repeat 2]
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from jubako.testing.server import PARENT, ServerProcess
from jubako.testing.telop import TelopOnServer

CLIPS = Path(__file__).parents[1] / "src/jubako_apps/telop/clips"


def parallel(telop: TelopOnServer, video: Path, **fields: object) -> tuple[float, dict[str, Any]]:
    """Return the seconds of a reception from request to result, and the reception."""
    began = time.perf_counter()
    view = telop.submit(video, **fields)
    while view["state"] not in {"SUCCEEDED", "FAILED"}:
        threading.Event().wait(0.1)
        view = telop.look(view["id"])
    assert view["state"] == "SUCCEEDED", view
    return time.perf_counter() - began, view


def sequential(telop: TelopOnServer, view: dict[str, Any]) -> dict[str, float]:
    """Return the seconds of each job, run alone, one task at a time."""
    job = f"/v2/{PARENT}/jobs/telop-ocr"
    template = telop.server.get(job)["template"]
    telop.server.call("PATCH", f"{job}", {"template": {**template, "parallelism": 1}})
    telop.forget_results(view["id"])
    seconds = {}
    for name, overrides in {
        "telop-ocr": {"taskCount": view["branches"]["ocr"]["total"]},
        "telop-speech": {},
        "telop-report": {},
    }.items():
        began = time.perf_counter()
        telop.run_job(name, view["id"], **overrides)
        seconds[name] = time.perf_counter() - began
    telop.server.call("PATCH", f"{job}", {"template": template})
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lang", choices=("en", "ja"), default="en")
    parser.add_argument("--segment-seconds", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=2)
    given = parser.parse_args()
    fields: dict[str, object] = {"language": given.lang, "segment_seconds": given.segment_seconds}
    if given.lang == "ja":
        fields["script"] = str(CLIPS / "ja.srt")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.repeat):
            with ServerProcess(Path(tempfile.mkdtemp(dir=folder)) / "state") as server:
                telop = TelopOnServer(server)
                together, view = parallel(telop, CLIPS / f"{given.lang}.mp4", **fields)
                parts = sequential(telop, view)
                alone = sum(parts.values())
                told = ", ".join(f"{name.removeprefix('telop-')} {part:.1f}" for name, part in parts.items())
                print(
                    f"{given.lang} {view['duration']:.0f} s of video, {view['segments']} segments, "
                    f"{os.cpu_count()} cores: parallel {together:.1f} s, one after another {alone:.1f} s "
                    f"({told}), ratio {together / alone:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
