"""REST requests per second beside a bare Starlette on the same server, and encode/decode beside Google's types.

Client and server share the process; the last column is the ratio of processor time per request, which other programs
on the machine disturb least.
Usage: python benchmarks/wire.py [--seconds 2]
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from google.cloud import run_v2
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from jubako.boxes.jobs import methods
from jubako.boxes.jobs.resources import Execution, GetExecutionRequest, RunJobRequest, TaskTemplate
from jubako.core.events import NoEvents
from jubako.identity.access import LoopbackAccess
from jubako.wire.codec import decode, encode
from jubako.wire.extras import Extras
from jubako.wire.front import Doors, Front
from jubako.wire.google_types import Operation
from jubako.wire.listener import Listener
from jubako.wire.method import Api, Caller
from jubako.wire.origins import Origins
from jubako.wire.rest import Router
from jubako.wire.run_types import Condition, Container, EnvVar

NAME = "projects/p/locations/l/jobs/j/executions/j-abcde"
INSTANT = datetime(2026, 11, 24, 6, 0, 0, 500_000, tzinfo=UTC)
EXECUTION = Execution(
    name=NAME,
    uid="7f2a5c1e-0000-4000-8000-000000000000",
    generation=1,
    labels={"reception": "r1"},
    create_time=INSTANT,
    start_time=INSTANT,
    task_count=100,
    parallelism=20,
    running_count=20,
    succeeded_count=40,
    template=TaskTemplate(
        containers=[
            Container(image="image", command=["python", "-m", "ocr"], env=[EnvVar(name="A", value="1")] * 3)
        ],
        max_retries=3,
        timeout=timedelta(hours=1),
    ),
    conditions=[
        Condition(type=kind, state=Condition.State.CONDITION_SUCCEEDED, last_transition_time=INSTANT)
        for kind in ("Started", "ResourcesAvailable", "Completed")
    ],
)
TEXT = encode(EXECUTION)
RUN = b'{"overrides":{"taskCount":2}}'


async def get_execution(_request: GetExecutionRequest, _caller: Caller) -> Execution:
    return EXECUTION


async def run_job(request: RunJobRequest, _caller: Caller) -> Operation:
    return Operation(name=request.name)


def front() -> Front:
    handlers: dict[str, Any] = {
        "google.cloud.run.v2.Executions.GetExecution": get_execution,
        "google.cloud.run.v2.Jobs.RunJob": run_job,
    }
    table = [*methods.JOBS, *methods.EXECUTIONS, *methods.TASKS]
    api = Api(name="run", version="v2", hosts=(), methods=table, handlers=handlers)
    access = LoopbackAccess()
    router, extras = Router([api], access, NoEvents()), Extras([], access)
    gateway: Any = None
    doors = Doors(router=router, extras=extras, gateway=gateway, callers=access, origins=Origins())
    return Front(doors, NoEvents())


async def bare(_: object) -> Response:
    return Response(TEXT, media_type="application/json")


async def serve_starlette() -> tuple[asyncio.Server, int]:
    path = "/v2/projects/{p}/locations/{l}/jobs/{j}"
    app = Starlette(routes=[Route(path + "/executions/{e}", bare), Route(path, bare, methods=["POST"])])
    config = uvicorn.Config(app, ws="none", lifespan="off", access_log=False, log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpToolsProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    return server, server.sockets[0].getsockname()[1]


async def latencies(
    port: int, request: bytes, clients: int, seconds: float, before: Callable[[], object] = lambda: None
) -> list[float]:
    """Return how long each request took, in seconds; ``before`` each of them something may happen."""
    until, taken = time.perf_counter() + seconds, []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            before()
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 200"), head
            taken.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return sorted(taken)


def http(verb: str, path: str, body: bytes = b"") -> bytes:
    return f"{verb} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def compare_http(seconds: float) -> None:
    listener = Listener(front())
    ours = await listener.start("127.0.0.1", 0)
    server, theirs = await serve_starlette()
    ours_run = http("POST", "/v2/projects/p/locations/l/jobs/j:run", RUN)
    for title, ours_request, their_request in (
        ("getExecution", http("GET", f"/v2/{NAME}"), http("GET", f"/v2/{NAME}")),
        ("runJob", ours_run, http("POST", "/v2/projects/p/locations/l/jobs/j", RUN)),
    ):
        for clients in (1, 20):
            report = f"{title}, {clients:2} clients"
            base = 0.0
            for name, port, request in (
                ("bare starlette", theirs, their_request),
                ("jubako", ours, ours_request),
            ):
                cpu = time.process_time()
                taken = await latencies(port, request, clients, seconds)
                cpu = (time.process_time() - cpu) / len(taken) * 1e6
                rate = len(taken) / seconds
                base = base or cpu
                p50, p99 = taken[len(taken) // 2] * 1e3, taken[int(len(taken) * 0.99)] * 1e3
                times = f"p50 {p50:6.2f} ms  p99 {p99:6.2f} ms"
                print(f"{report:26} {name:15} {rate:8,.0f} /s  {times}  cpu {cpu:4.0f} us  {base / cpu:5.2f}")
    await listener.close()
    server.close()


def per_call(call: Callable[[], object], seconds: float) -> float:
    """Return microseconds per call, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds / 5:
            for _ in range(20):
                call()
            count += 20
        best = min(best, (time.perf_counter() - began) / count * 1e6)
    return best


def compare_codec(seconds: float) -> None:
    theirs = json_format.Parse(TEXT, run_v2.Execution.pb(run_v2.Execution()))
    rows: Sequence[tuple[str, Callable[[], object]]] = (
        ("decode, json_format", lambda: json_format.Parse(TEXT, type(theirs)())),
        ("decode, jubako", lambda: decode(Execution, TEXT)),
        ("encode, json_format", lambda: json_format.MessageToJson(theirs, indent=None)),
        ("encode, jubako", lambda: encode(EXECUTION)),
    )
    base = 0.0
    for index, (title, call) in enumerate(rows):
        micros = per_call(call, seconds)
        base = micros if index % 2 == 0 else base
        print(f"{title:26} {micros:8.1f} us  {base / micros:5.1f} x")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    seconds = parser.parse_args().seconds
    print(f"one Execution, {len(TEXT)} bytes of JSON")
    compare_codec(seconds)
    await compare_http(seconds)


if __name__ == "__main__":
    asyncio.run(main())
