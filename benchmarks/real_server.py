"""getExecution and runJob on a real server with its store, over REST and gRPC, beside bare servers in the same run.

Every server is a process of its own; the clients share this one. Rates and times are what clients see. The processor
time is the server's alone, per request: other programs on the machine disturb it least.
Usage: python benchmarks/real_server.py [--seconds 2]
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

import wire
from array_job import resident_mb
from jubako.boxes.jobs.resources import Execution, GetExecutionRequest, RunJobRequest
from jubako.testing.server import PARENT, ServerProcess
from jubako.wire import codec, protobuf_codec
from jubako.wire.google_types import Operation

GET = "/google.cloud.run.v2.Executions/GetExecution"
RUN = "/google.cloud.run.v2.Jobs/RunJob"
JOB = f"{PARENT}/jobs/measured"
WORK = {"none": "bare", "keep": "bare, fsync", "run": "bare, fsync+spawn"}
ABOUT = """\
What is held against what: getExecution against a bare handler that answers with the same bytes from memory. runJob
promises that a program runs, whatever dies next, so the bar of 0.6 is held against a bare handler that does the least
for that: one durable row and one posix_spawn of the same program ("fsync+spawn"). That one forgets the program; ours
also records its start, end and output, and does it after the reply, at the expense of the replies that follow. The
handlers that keep nothing are printed for the distance only: a promise costs an fsync."""
Load = Callable[[int, float], Awaitable[list[float]]]
"""``await load(clients, seconds)`` returns the latencies in seconds, sorted."""


Loads = Mapping[str, Callable[[int], Load]]
"""By transport: the load on the server at a port."""


@dataclass(frozen=True)
class Rival:
    """One server under one load."""

    title: str
    pid: int
    load: Load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    seconds = parser.parse_args().seconds
    print(f"load before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(dir=".") as place, ServerProcess(Path(place) / "state") as server:
        show_start(server)
        print(ABOUT)
        deploy(server)
        name = run_once(server)
        asyncio.run(compare_get(server, name, Path(place), seconds))
        asyncio.run(compare_run(server, Path(place), seconds))


def show_start(server: ServerProcess) -> None:
    """Print how long starts take, and what an idle server holds."""
    took = []
    for _ in range(3):
        server.stop()
        began = time.perf_counter()
        server.start()
        server.get("/healthz")
        took.append(time.perf_counter() - began)
    print("start to the first 200: " + ", ".join(f"{one:.2f}" for one in took) + " s (budget 1)")
    time.sleep(1)
    rss, pss = resident_mb(server.pid), proportional_mb(server.pid)
    supervisor = proportional_mb(server.supervisor_pid())
    print(
        f"idle memory: RSS {rss:.0f} MB, PSS {pss:.0f} MB (budget 80); its supervisor: PSS {supervisor:.0f} MB"
    )


def proportional_mb(pid: int) -> float:
    """Return a process's memory, pages that it shares counted in part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def deploy(server: ServerProcess) -> None:
    template = {"template": {"containers": [{"command": ["/bin/true"]}], "maxRetries": 0}}
    server.post(f"/v2/{PARENT}/jobs?jobId=measured", {"template": template})


def port_of(server: ServerProcess) -> int:
    return int(server.address.rpartition(":")[2])


def run_once(server: ServerProcess) -> str:
    """Return the name of an execution that has ended."""
    name = str(server.post(f"/v2/{JOB}:run")["metadata"]["name"])
    until_idle(server)
    return name


async def compare_get(server: ServerProcess, name: str, place: Path, seconds: float) -> None:
    execution = codec.from_json(Execution, server.get(f"/v2/{name}"))
    answers = {"http": codec.encode(execution), "grpc": protobuf_codec.encode(execution)}
    path, request = f"/v2/{name}", protobuf_codec.encode(GetExecutionRequest(name=name))
    loads: Loads = {
        "http": lambda port: rest(port, wire.http("GET", path)),
        "grpc": lambda port: call(port, GET, request),
    }
    for transport, load in loads.items():
        with bare(transport, answers[transport], place, "none") as rival:
            rivals = [
                Rival(WORK["none"], rival[1], load(rival[0])),
                Rival("jubako", server.pid, load(port_of(server))),
            ]
            await compare(f"getExecution {transport}", rivals, seconds)


async def compare_run(server: ServerProcess, place: Path, seconds: float) -> None:
    operation = server.post(f"/v2/{JOB}:run")
    started = codec.from_json(Operation, operation)
    answers = {"http": codec.encode(started), "grpc": protobuf_codec.encode(started)}
    path, request = f"/v2/{JOB}:run", protobuf_codec.encode(RunJobRequest(name=JOB))
    loads: Loads = {
        "http": lambda port: rest(port, wire.http("POST", path, b"{}")),
        "grpc": lambda port: call(port, RUN, request),
    }
    for transport, load in loads.items():
        with ExitStack() as stack:
            rivals = []
            for work in ("run", "keep", "none"):
                port, pid = stack.enter_context(bare(transport, answers[transport], place, work))
                rivals.append(Rival(WORK[work], pid, load(port)))
            rivals.insert(1, Rival("jubako", server.pid, load(port_of(server))))
            await compare(f"runJob {transport}", rivals, seconds, after=lambda: until_idle(server))


def until_idle(server: ServerProcess) -> None:
    """Return when no execution is under way: what was accepted is not to be paid for by the next measurement."""
    while not server.get(f"/v2/{JOB}/executions?pageSize=1")["executions"][0].get("completionTime"):
        time.sleep(0.05)


@contextmanager
def bare(transport: str, answer: bytes, place: Path, work: str) -> Iterator[tuple[int, int]]:
    """Run a bare server; yields its port and pid."""
    file = place / f"{transport}.{work}.answer"
    file.write_bytes(answer)
    script = Path(__file__).with_name("bare_server.py")
    command = [sys.executable, str(script), transport, str(file), "--work", work]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.terminate()


def rest(port: int, request: bytes) -> Load:
    return lambda clients, seconds: wire.latencies(port, request, clients, seconds)


def call(port: int, method: str, request: bytes) -> Load:
    async def load(clients: int, seconds: float) -> list[float]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            ask: Any = channel.unary_unary(method)
            await ask(request)
            until, taken = time.perf_counter() + seconds, []

            async def one() -> None:
                while (began := time.perf_counter()) < until:
                    await ask(request)
                    taken.append(time.perf_counter() - began)

            await asyncio.gather(*(one() for _ in range(clients)))
        return sorted(taken)

    return load


def processor_seconds(pid: int) -> float:
    """Return what a process has used so far, system calls included."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def compare(
    title: str, rivals: Sequence[Rival], seconds: float, after: Callable[[], None] = lambda: None
) -> None:
    """Print rivals under 1 and 20 clients; ratios are to the first."""
    for clients in (1, 20):
        base: tuple[float, float] | None = None
        for rival in rivals:
            await rival.load(clients, seconds / 4)
            before = processor_seconds(rival.pid)
            taken = await rival.load(clients, seconds)
            cpu = (processor_seconds(rival.pid) - before) / len(taken) * 1e6
            rate = len(taken) / seconds
            base = base or (rate, cpu)
            p50, p99 = taken[len(taken) // 2] * 1e3, taken[int(len(taken) * 0.99)] * 1e3
            times = f"p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  server's cpu {cpu:5.0f} us"
            ratios = f"of the first: rate {rate / base[0]:4.2f}, cpu {base[1] / cpu:4.2f}"
            print(
                f"{title:17} {clients:2} clients  {rival.title:17} {rate:7,.0f} /s  {times}  {ratios}",
                flush=True,
            )
            after()


if __name__ == "__main__":
    main()
