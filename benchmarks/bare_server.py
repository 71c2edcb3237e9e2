"""The servers that ours is held against: they answer every request with the same bytes, over HTTP or gRPC.

``--work keep`` makes every request one durable row first; ``--work run`` then also starts ``/bin/true``, forgets it,
and so does the least that a server must do that promises to run something.
Usage: python benchmarks/bare_server.py http|grpc ANSWER_FILE [--work keep|run]; the port is the first line printed.
"""

import argparse
import asyncio
import os
import signal
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import grpc
import grpc.aio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

COMMAND = ["/bin/true"]
Work = Callable[[bytes], None]


def work_of(kind: str, database: str) -> Work:
    """Return what is done for each request before it is answered."""
    if kind == "none":
        return lambda _: None
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE requests (id INTEGER PRIMARY KEY, body BLOB)")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps them

    def work(body: bytes) -> None:
        connection.execute("INSERT INTO requests (body) VALUES (?)", (body,))
        if kind == "run":
            os.posix_spawn(COMMAND[0], COMMAND, os.environ)

    return work


async def http(answer: bytes, work: Work) -> None:
    async def endpoint(request: Request) -> Response:
        work(await request.body())
        return Response(answer, media_type="application/json")

    app = Starlette(routes=[Route("/v2/{name:path}", endpoint, methods=["GET", "POST"])])
    config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    # Named as TCP, because asyncio turns off the gathering of small packets only then.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        print(listening.getsockname()[1], flush=True)
        await server.serve([listening])


class Echo(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every call with the same bytes."""

    def __init__(self, answer: bytes, work: Work) -> None:
        self._answer = answer
        self._work = work

    def service(self, _details: object) -> grpc.RpcMethodHandler:
        async def answer(request: bytes, _context: object) -> bytes:
            self._work(request)
            return self._answer

        return grpc.unary_unary_rpc_method_handler(answer)


async def calls(answer: bytes, work: Work) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(answer, work),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("transport", choices=["http", "grpc"])
    parser.add_argument("answer", type=Path, help="file with the bytes of every reply; the rows go beside it")
    parser.add_argument("--work", choices=["none", "keep", "run"], default="none")
    given = parser.parse_args()
    serve = http if given.transport == "http" else calls
    asyncio.run(serve(given.answer.read_bytes(), work_of(given.work, f"{given.answer}.{given.work}.db")))


if __name__ == "__main__":
    main()
