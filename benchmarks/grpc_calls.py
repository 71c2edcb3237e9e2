"""gRPC calls per second on the one port, beside our REST and a bare grpc.aio echo, all in this run.

Clients and servers share the process and its event loop, so rates are those of both together; the ratio is of
processor time per call, which other programs on the machine disturb least.
Usage: python benchmarks/grpc_calls.py [--seconds 2]
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import msgspec
from google.cloud import run_v2
from google.protobuf import json_format

import wire
from jubako.boxes.jobs import methods
from jubako.boxes.jobs.resources import Execution, GetExecutionRequest, RunJobRequest
from jubako.core.events import NoEvents
from jubako.wire import codec, protobuf_codec
from jubako.wire.extras import Extras
from jubako.wire.front import Doors, Front
from jubako.wire.grpc_door import Checks, GrpcDoor
from jubako.wire.listener import Listener
from jubako.wire.method import Api, Caller
from jubako.wire.origins import Origins
from jubako.wire.rest import Router

LOCAL = Caller(principal="user:local")
Call = Callable[[bytes], Awaitable[bytes]]
Rounds = dict[str, list[tuple[list[float], float]]]
GET = protobuf_codec.encode(GetExecutionRequest(name=wire.NAME))
RUN = protobuf_codec.encode(RunJobRequest(name=wire.NAME.rpartition("/executions/")[0]))
ANSWER = protobuf_codec.encode(wire.EXECUTION)


class OpenAccess:
    """Everybody may do everything, so that only the wire is measured."""

    def caller(self, _headers: object) -> Caller:
        return LOCAL

    def holds(self, _permission: str, _caller: Caller) -> bool:
        return True

    async def check(self, _permission: str, _caller: Caller, _resource: str = "") -> None:
        return


class Echo(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every call with the same bytes."""

    def service(self, _details: Any) -> grpc.RpcMethodHandler:
        async def answer(_request: bytes, _context: Any) -> bytes:
            return ANSWER

        return grpc.unary_unary_rpc_method_handler(answer)


async def measure(call: Call, request: bytes, clients: int, seconds: float) -> tuple[list[float], float]:
    """Return sorted latencies and processor seconds per call."""
    until, taken = time.perf_counter() + seconds, []

    async def one() -> None:
        while (began := time.perf_counter()) < until:
            await call(request)
            taken.append(time.perf_counter() - began)

    cpu = time.process_time()
    await asyncio.gather(*(one() for _ in range(clients)))
    return sorted(taken), (time.process_time() - cpu) / len(taken)


def table() -> Api:
    handlers: dict[str, Any] = {
        "google.cloud.run.v2.Executions.GetExecution": wire.get_execution,
        "google.cloud.run.v2.Jobs.RunJob": wire.run_job,
    }
    every = [*methods.JOBS, *methods.EXECUTIONS]
    return Api(name="run", version="v2", hosts=(), methods=every, handlers=handlers)


async def compare(seconds: float, rounds: int) -> None:
    access: Any = OpenAccess()
    with tempfile.TemporaryDirectory(prefix="jubako-grpc-") as folder:
        checks = Checks(access=access, callers=access, is_ours=Origins().answers_to)
        door = GrpcDoor([table()], checks, NoEvents(), lambda: Path(folder) / "g.sock")
        doors = Doors(
            router=Router([table()], access, NoEvents()),
            extras=Extras([], access),
            gateway=cast("Any", None),
            callers=access,
            origins=Origins(),
        )
        listener = Listener(Front(doors, NoEvents()), [door])
        port = await listener.start("127.0.0.1", 0)
        bare = grpc.aio.server()
        bare.add_generic_rpc_handlers((Echo(),))
        bare_port = bare.add_insecure_port("127.0.0.1:0")
        await bare.start()
        ours = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        theirs = grpc.aio.insecure_channel(f"127.0.0.1:{bare_port}")
        get, run = "/google.cloud.run.v2.Executions/GetExecution", "/google.cloud.run.v2.Jobs/RunJob"
        rest = {get: wire.http("GET", f"/v2/{wire.NAME}"), run: wire.http("POST", run_path(), wire.RUN)}
        for path, request in ((get, GET), (run, RUN)):
            for clients in (1, 20):
                best: Rounds = {"bare grpc.aio": [], "jubako grpc": [], "jubako rest": []}
                for _ in range(rounds):
                    best["bare grpc.aio"].append(
                        await measure(theirs.unary_unary(path), request, clients, seconds)
                    )
                    best["jubako grpc"].append(
                        await measure(ours.unary_unary(path), request, clients, seconds)
                    )
                    cpu = time.process_time()
                    taken = await wire.latencies(port, rest[path], clients, seconds)
                    best["jubako rest"].append((taken, (time.process_time() - cpu) / len(taken)))
                report(path, clients, best, seconds)
        await ours.close()
        await theirs.close()
        await bare.stop(0)
        await listener.close()


def run_path() -> str:
    return f"/v2/{wire.NAME.rpartition('/executions/')[0]}:run"


def report(path: str, clients: int, best: Rounds, seconds: float) -> None:
    base = min(cpu for _, cpu in best["bare grpc.aio"])
    base_rate = max(len(taken) for taken, _ in best["bare grpc.aio"])
    for name, rounds in best.items():
        taken, _ = max(rounds, key=lambda one: len(one[0]))
        cpu = min(cpu for _, cpu in rounds)
        p50, p99 = taken[len(taken) // 2] * 1e3, taken[int(len(taken) * 0.99)] * 1e3
        print(
            f"{path.rpartition('/')[2]:13} {clients:2} clients  {name:14} {len(taken) / seconds:8,.0f} /s "
            f"p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  cpu {cpu * 1e6:4.0f} us"
            f"  rate {len(taken) / base_rate:4.2f}  cpu {base / cpu:4.2f} of bare"
        )


def micros(function: Callable[[], object], count: int = 2000) -> float:
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(count):
            function()
        best = min(best, (time.perf_counter() - began) / count)
    return best * 1e6


def codecs() -> None:
    text = codec.encode(wire.EXECUTION)
    official = run_v2.Execution.pb(run_v2.Execution())
    json_format.Parse(text, official)
    data = official.SerializeToString()
    wrapped = run_v2.Execution.deserialize(data)
    rows = {
        "jubako protobuf": (
            lambda: protobuf_codec.decode(Execution, data),
            lambda: protobuf_codec.encode(wire.EXECUTION),
        ),
        "jubako JSON": (lambda: codec.decode(Execution, text), lambda: codec.encode(wire.EXECUTION)),
        "official protobuf": (lambda: type(official).FromString(data), official.SerializeToString),
        "official proto-plus": (
            lambda: run_v2.Execution.deserialize(data).conditions[0].state,
            lambda: run_v2.Execution.serialize(wrapped),
        ),
        "official JSON": (
            lambda: json_format.Parse(text, type(official)()),
            lambda: json_format.MessageToJson(official),
        ),
        "msgspec alone": (lambda: msgspec.json.decode(text), lambda: msgspec.json.encode(wire.EXECUTION)),
    }
    for name, (decode, encode) in rows.items():
        count = 200 if name == "official JSON" else 2000
        print(f"{name:20} decode {micros(decode, count):6.1f} us  encode {micros(encode, count):6.1f} us")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(compare(options.seconds, options.rounds))
    codecs()
