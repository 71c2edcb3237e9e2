"""getExecution and runJob on a real server with its store, over REST and gRPC, beside bare servers in the same run.

Every server is a process of its own; the clients share this one. Rates and times are what clients see. The processor
time is the server's alone, per request: other programs on the machine disturb it least.
Usage: python benchmarks/real_server.py [--seconds 2]
"""

import argparse
import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
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
JOBS = f"{PARENT}/jobs"
WORK = {"none": "bare", "keep": "bare, fsync", "run": "bare, fsync+spawn"}
ABOUT = """\
What is held against what: getExecution against a bare handler that answers with the same bytes from memory. runJob
promises that a program runs, whatever dies next, so the bar of 0.6 is held against a bare handler that does the least
for that: one durable row and one posix_spawn of the same program ("fsync+spawn"). That one forgets the program; ours
also records its start, end and output, and does it after the reply, at the expense of the replies that follow. The
handlers that keep nothing are printed for the distance only: a promise costs an fsync. Every measurement of runJob has
a job of its own, since ours removes what is older than the last 1,000 executions of a job, and the bare ones keep all.
Of getExecution "changed" is one whose row another program changes before each request, so that no answer that was
given before can be given again; elsewhere the execution has ended, as have most that are looked at."""
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
        name = run_once(server, deploy(server, "measured"))
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


def deploy(server: ServerProcess, job: str) -> str:
    """Return the full name of a new job."""
    template = {"template": {"containers": [{"command": ["/bin/true"]}], "maxRetries": 0}}
    server.post(f"/v2/{JOBS}?jobId={job}", {"template": template})
    return f"{JOBS}/{job}"


def port_of(server: ServerProcess) -> int:
    return int(server.address.rpartition(":")[2])


def run_once(server: ServerProcess, job: str) -> str:
    """Return the name of an execution of the job that has ended."""
    name = str(server.post(f"/v2/{job}:run")["metadata"]["name"])
    until_idle(server, job)
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
            for clients in (1, 20):
                await compare(f"getExecution {transport}", clients, rivals, seconds)
            if transport == "http":
                rivals[1] = Rival("jubako, changed", server.pid, changed(port_of(server), path, place))
                await compare("getExecution http", 1, rivals, seconds)


async def compare_run(server: ServerProcess, place: Path, seconds: float) -> None:
    started = codec.from_json(Operation, server.post(f"/v2/{JOBS}/measured:run"))
    answers = {"http": codec.encode(started), "grpc": protobuf_codec.encode(started)}
    for transport, answer in answers.items():
        with ExitStack() as stack:
            bares = [
                (WORK[work], *stack.enter_context(bare(transport, answer, place, work)))
                for work in ("run", "keep", "none")
            ]
            for clients in (1, 20):
                job = deploy(server, f"{transport}-{clients}")
                run_once(server, job)
                rivals = [Rival(title, pid, running(transport, job, port)) for title, port, pid in bares]
                ours = Rival("jubako", server.pid, running(transport, job, port_of(server)))
                rivals.insert(1, ours)
                await compare(
                    f"runJob {transport}", clients, rivals, seconds, after=partial(until_idle, server, job)
                )


def running(transport: str, job: str, port: int) -> Load:
    """Return the load of runs of a job on the server at a port."""
    if transport == "http":
        return rest(port, wire.http("POST", f"/v2/{job}:run", b"{}"))
    return call(port, RUN, protobuf_codec.encode(RunJobRequest(name=job)))


def changed(port: int, path: str, place: Path) -> Load:
    """Return the load of requests before each of which the execution's row is changed by somebody else."""
    request = wire.http("GET", path)

    async def load(clients: int, seconds: float) -> list[float]:
        with closing(sqlite3.connect(place / "state" / "state.db", isolation_level=None)) as other:
            other.execute("PRAGMA synchronous = OFF")
            change = partial(other.execute, "UPDATE job_executions SET updated = updated + 1")
            return await wire.latencies(port, request, clients, seconds, change)

    return load


def until_idle(server: ServerProcess, job: str) -> None:
    """Return when no execution is under way: what was accepted is not to be paid for by the next measurement."""
    while not server.get(f"/v2/{job}/executions?pageSize=1")["executions"][0].get("completionTime"):
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
    title: str,
    clients: int,
    rivals: Sequence[Rival],
    seconds: float,
    after: Callable[[], None] = lambda: None,
) -> None:
    """Print rivals under as many clients; ratios are to the first."""
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
