"""A service for tests: sends WebSocket messages back, and refuses who has no ticket."""

import asyncio
import os
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        if message == "leave":
            await connection.close(4001, "as told")
            return
        await connection.send(message)


async def check(connection: ServerConnection, request: Request) -> Response | None:
    if request.path == "/refused":
        return connection.respond(HTTPStatus.FORBIDDEN, "no ticket\n")
    return None


async def main() -> None:
    async with serve(
        echo, "127.0.0.1", int(os.environ["PORT"]), process_request=check, max_size=None
    ) as server:
        await server.serve_forever()


asyncio.run(main())
