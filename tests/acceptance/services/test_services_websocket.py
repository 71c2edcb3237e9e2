"""WebSockets reach a service through the one port; real client, real server, real sockets."""

import asyncio
from pathlib import Path

import pytest
from tests.acceptance.services.conftest import House
from tests.acceptance.services.test_services_reached import until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.typing import Origin

from jubako.core.errors import PermissionDenied
from jubako.wire import listener
from jubako.wire.method import Caller

SERVICE = str(Path(__file__).with_name("websocket_service.py"))
PATH = "/run/local/asia-northeast1/talk"
ASKED = (
    b"host: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Nobody:
    """Lets nobody in."""

    async def admit(self, service: str, headers: object, caller: Caller | None) -> None:
        raise PermissionDenied("not you")


@pytest.fixture
async def talk(house: House) -> House:
    reply = await house.deploy("talk", args=[SERVICE])
    assert reply.status_code == 200, reply.text
    return house


def reach(house: House, origin: Origin | None = None) -> connect:
    port = house.client.base_url.port
    return connect(f"ws://127.0.0.1:{port}{PATH}/", max_size=None, proxy=None, origin=origin)


async def raw(house: House, path: str, after: bytes = b"") -> bytes:
    """Return all that comes back for an upgrade request with ``after`` sent behind it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.client.base_url.port)
    writer.write(f"GET {path} HTTP/1.1\r\n".encode() + ASKED)
    await writer.drain()
    writer.write(after)
    async with asyncio.timeout(20):
        told = await reader.read()
    writer.close()
    return told


async def status(connecting: connect) -> int:
    with pytest.raises(InvalidStatus) as refused:
        await connecting
    return refused.value.response.status_code


async def test_messages_go_both_ways_however_large(talk: House) -> None:
    async with asyncio.timeout(20), reach(talk) as socket:
        for message in ("one", b"\x00\xff" * 1_000_000, "two"):
            await socket.send(message)
            assert await socket.recv() == message
        assert talk.is_serving()


async def test_many_talk_at_once(talk: House) -> None:
    async def once(number: int) -> None:
        async with reach(talk) as socket:
            await socket.send(str(number))
            assert await socket.recv() == str(number)

    async with asyncio.timeout(20):
        await asyncio.gather(*(once(number) for number in range(20)))


async def test_either_side_may_leave_and_the_instance_is_free_again(talk: House) -> None:
    async with asyncio.timeout(20):
        async with reach(talk) as socket:
            await socket.send("leave")
            with pytest.raises(ConnectionClosedError, match="4001"):
                await socket.recv()
        gone: ClientConnection = await reach(talk)
        gone.transport.abort()
        await until(lambda: not talk.is_serving())


async def test_an_instance_may_refuse_and_what_was_said_behind_it_reaches_nobody(talk: House) -> None:
    told = await raw(talk, f"{PATH}/refused", b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 403 ")
    assert told.endswith(b"no ticket\n")
    assert told.count(b"HTTP/1.1") == 1


async def test_the_page_of_another_site_is_refused_before_anything_starts(talk: House) -> None:
    assert await status(reach(talk, origin=Origin("http://elsewhere.test"))) == 403
    assert not talk.is_serving()


async def test_who_may_not_invoke_is_refused(talk: House) -> None:
    talk.gateway._invoker = Nobody()
    assert await status(reach(talk)) == 403


async def test_no_service_and_no_websocket_are_errors_and_the_connection_closes(house: House) -> None:
    assert (await raw(house, "/run/local/asia-northeast1/none/")).startswith(b"HTTP/1.1 404 ")
    assert (await raw(house, "/v2/projects/p/locations/l/jobs")).startswith(b"HTTP/1.1 501 ")
    assert (await raw(house, "http://[/")).startswith(b"HTTP/1.1 400 ")


async def test_a_talk_outlives_the_patience_for_heads(talk: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_S", 0.05)
    async with asyncio.timeout(20), reach(talk) as socket:
        loop = asyncio.get_running_loop()
        late = loop.time() + 4 * listener.HEAD_S
        while loop.time() < late:
            await socket.send("still here")
            assert await socket.recv() == "still here"
