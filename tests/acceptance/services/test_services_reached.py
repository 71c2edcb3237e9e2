"""Deployed commands are started by requests and reached through the one port; real processes and sockets."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
from tests.acceptance.services.conftest import PARENT, House


async def until(condition: Callable[[], bool]) -> None:
    """Return when something that nothing here can signal has come true in another process."""
    pause = threading.Event()
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.to_thread(pause.wait, 0.01)


async def until_gone(pid: int) -> None:
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_the_first_request_starts_the_service_and_the_next_ones_use_it(house: House) -> None:
    reply = await house.deploy(env=[{"name": "COLOUR", "value": "red"}], workingDir="/")
    assert reply.status_code == 200, reply.text
    assert reply.json()["done"] is True
    assert house.started() == []
    first = (await house.get("/a%2Fb/c?q=1")).json()
    again = (await house.get("")).json()
    assert first["pid"] == again["pid"] == house.started()[0]
    assert first["path"] == "/a%2Fb/c?q=1"
    assert again["path"] == "/"
    assert first["cwd"] == "/"
    assert first["env"]["COLOUR"] == "red"
    assert first["env"]["K_SERVICE"] == first["env"]["K_CONFIGURATION"] == "echo"
    assert first["env"]["K_REVISION"].startswith("echo-00001-")
    headers = first["headers"]
    assert headers["x-forwarded-prefix"] == "/run/local/asia-northeast1/echo"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-host"] == headers["host"]
    assert headers["x-cloud-trace-context"].split("/")[0] == headers["traceparent"].split("-")[1]


async def test_many_first_requests_share_one_start(house: House) -> None:
    await house.deploy()
    replies = await asyncio.gather(*(house.get("/") for _ in range(30)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["pid"] for reply in replies}) == 1
    assert len(house.started()) == 1


async def test_after_the_instance_was_killed_the_next_request_works(house: House) -> None:
    await house.deploy()
    first = (await house.get("/")).json()["pid"]
    os.kill(first, signal.SIGKILL)
    reply = await house.get("/")
    assert reply.status_code == 200, reply.text
    assert reply.json()["pid"] != first


async def test_an_instance_survives_the_server_and_is_used_again(house: House) -> None:
    await house.deploy()
    pid = (await house.get("/")).json()["pid"]
    await house.leave(end_attempts=False)
    await house.enter()
    assert (await house.get("/")).json()["pid"] == pid
    assert house.started() == [pid]


async def test_an_instance_that_died_while_the_server_was_down_is_replaced(house: House) -> None:
    await house.deploy()
    pid = (await house.get("/")).json()["pid"]
    await house.leave(end_attempts=False)
    os.kill(pid, signal.SIGKILL)
    await house.enter()
    reply = await house.get("/")
    assert reply.status_code == 200, reply.text
    assert reply.json()["pid"] != pid


async def test_a_command_that_does_not_exist_is_a_readable_503(house: House) -> None:
    await house.deploy(command=["/no/such/program"], args=[])
    reply = await house.get("/")
    assert reply.status_code == 503
    error = reply.json()["error"]
    assert error["status"] == "UNAVAILABLE"
    assert "could not be started" in error["message"]
    assert "No such file" in error["message"]
    assert int(reply.headers["retry-after"]) >= 1
    service = (await house.client.get(f"/v2/{PARENT}/services/echo")).json()
    assert service["terminalCondition"]["state"] == "CONDITION_FAILED"


async def test_a_process_that_exits_before_it_listens_is_told_with_where_its_output_is(house: House) -> None:
    await house.deploy(command=["/bin/sh"], args=["-c", "echo I am broken >&2; exit 7"])
    reply = await house.get("/")
    assert reply.status_code == 503
    message = reply.json()["error"]["message"]
    assert "exited with code 7" in message
    path = next(word.rstrip(".") for word in message.split() if word.startswith("/"))
    assert _text(path) == "I am broken\n"


async def test_a_crash_loop_is_slowed_down(house: House) -> None:
    await house.deploy(command=["/bin/false"], args=[])
    replies = [await house.get("/") for _ in range(5)]
    assert {reply.status_code for reply in replies} == {503}
    attempts = house.state / "attempts"
    assert len(list(attempts.glob("*/*/0-*"))) == 1


async def test_a_slow_reply_is_a_504_and_the_instance_lives_on(house: House) -> None:
    await house.deploy(timeout="0.5s")
    pid = (await house.get("/")).json()["pid"]
    reply = await house.get("/slow?seconds=20")
    assert reply.status_code == 504
    assert reply.json()["error"]["status"] == "DEADLINE_EXCEEDED"
    assert (await house.get("/")).json()["pid"] == pid


async def test_an_instance_that_dies_in_the_middle_is_a_502_and_the_next_request_works(house: House) -> None:
    await house.deploy()
    await house.get("/")
    reply = await house.client.post("/run/local/asia-northeast1/echo/die")
    assert reply.status_code == 502
    assert reply.json()["error"]["status"] == "UNAVAILABLE"
    assert (await house.get("/")).status_code == 200


async def test_a_reply_that_breaks_off_is_not_taken_for_complete(house: House) -> None:
    await house.deploy()
    try:
        reply = await house.get("/cut")
    except httpx.RemoteProtocolError:
        return
    raise AssertionError(reply.content)


async def test_bodies_of_both_kinds_arrive_whole(house: House) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"y" * 100_000

    await house.deploy()
    path = "/run/local/asia-northeast1/echo/"
    chunked = (await house.client.post(path, content=pieces())).json()
    whole = (await house.client.post(path, content=b"z" * 1_000_000)).json()
    empty = (await house.client.post(path)).json()
    assert chunked == {"bytes": 1_000_000, "chunked": True}
    assert whole == {"bytes": 1_000_000, "chunked": False}
    assert empty == {"bytes": 0, "chunked": False}


async def test_an_early_refusal_reaches_the_client_who_still_sends(house: House) -> None:
    await house.deploy()
    reply = await house.client.post("/run/local/asia-northeast1/echo/refuse", content=b"z" * 500_000)
    assert reply.status_code == 413
    assert reply.json() == {"error": "too large"}


async def test_head_has_no_body_and_repeated_headers_stay_apart(house: House) -> None:
    await house.deploy()
    head = await house.client.head("/run/local/asia-northeast1/echo/")
    assert head.headers["content-length"] == "12345"
    big = await house.get("/big?bytes=300000")
    assert len(big.content) == 300_000
    assert big.headers.get_list("set-cookie") == ["a=1", "b=2"]


async def test_a_new_revision_takes_over_and_the_old_instance_ends(house: House) -> None:
    await house.deploy()
    old = (await house.get("/")).json()
    await house.deploy(env=[{"name": "COLOUR", "value": "blue"}])
    new = (await house.get("/")).json()
    assert new["env"]["COLOUR"] == "blue"
    assert new["env"]["K_REVISION"].startswith("echo-00002-")
    await until_gone(old["pid"])


async def test_a_request_under_way_is_finished_by_the_old_revision(house: House) -> None:
    await house.deploy()
    old = (await house.get("/")).json()
    under_way = asyncio.create_task(house.get("/slow?seconds=1"))
    await until(house.is_serving)
    await house.deploy(env=[{"name": "COLOUR", "value": "blue"}])
    assert (await house.get("/")).json()["env"]["COLOUR"] == "blue"
    assert (await under_way).json()["pid"] == old["pid"]
    await until_gone(old["pid"])


async def test_deleting_a_service_ends_its_instance_and_closes_its_path(house: House) -> None:
    await house.deploy()
    pid = (await house.get("/")).json()["pid"]
    reply = await house.client.delete(f"/v2/{PARENT}/services/echo")
    assert reply.json()["response"]["deleteTime"]
    await until_gone(pid)
    assert (await house.get("/")).status_code == 404
    await house.deploy()
    assert (await house.get("/")).json()["env"]["K_REVISION"].startswith("echo-00001-")


async def test_a_client_that_leaves_in_the_middle_of_a_reply_ends_the_request(house: House) -> None:
    await house.deploy()
    await house.get("/")
    async with house.client.stream("GET", "/run/local/asia-northeast1/echo/big?bytes=1000000000") as reply:
        async for _ in reply.aiter_raw(65536):
            break
    await until(lambda: not house.is_serving())


async def test_a_client_that_leaves_before_the_reply_begins_ends_the_request(house: House) -> None:
    await house.deploy()
    await house.get("/")
    asking = asyncio.create_task(house.get("/slow?seconds=60"))
    await until(house.is_serving)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: not house.is_serving())


async def test_a_service_that_needs_an_image_says_so(house: House) -> None:
    await house.deploy(image="gcr.io/p/i", command=[], args=[])
    reply = await house.get("/")
    assert reply.status_code == 400
    assert reply.json()["error"]["status"] == "FAILED_PRECONDITION"


async def test_the_run_app_name_reaches_the_service(house: House) -> None:
    operation = (await house.deploy()).json()
    uri = operation["response"]["uri"]
    host = uri.removeprefix("https://")
    reply = await house.client.get("/x", headers={"host": host})
    assert reply.status_code == 200, reply.text
    assert reply.json()["path"] == "/x"
    assert "x-forwarded-prefix" not in reply.json()["headers"]
    assert reply.json()["headers"]["x-forwarded-proto"] == "https"


async def test_an_upload_of_200_mb_needs_no_memory(house: House) -> None:
    piece = b"p" * 1_000_000

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield piece

    await house.deploy()
    await house.get("/")
    before = _resident_bytes()
    peak = 0

    async def watched() -> AsyncIterator[bytes]:
        nonlocal peak
        async for one in pieces():
            peak = max(peak, _resident_bytes())
            yield one

    reply = await house.client.post("/run/local/asia-northeast1/echo/", content=watched())
    assert reply.json() == {"bytes": 200_000_000, "chunked": True}
    assert peak - before < 30_000_000, peak - before


def _resident_bytes() -> int:
    return int(_text("/proc/self/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _text(path: str) -> str:
    return Path(path).read_text("utf-8")
