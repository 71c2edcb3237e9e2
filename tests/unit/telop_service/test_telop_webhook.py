import hashlib
import hmac
import json

import pytest

pytest.importorskip("httpx")

import httpx

from jubako_apps.telop import receptions
from jubako_apps.telop.webhook import TRIES_MAX, Webhook, signature
from jubako_sdk import sink

ID = "r-" + "0" * 24


class Receiver:
    """Takes messages, with the answers it is told to give; 200 when there are no more."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(status)


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def place(tmp_path):
    return sink(str(tmp_path))


@pytest.fixture
def webhook(place, receiver):
    client = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
    return Webhook(place, client, "https://desk.example/hook", "s3cret", clock=lambda: 1_700_000_000.9)


async def test_an_end_is_told_once_signed_and_only_after_it_has_come(webhook, receiver, place):
    webhook.note(ID)
    assert await webhook.deliver() == 0
    receptions.finish(place, ID, "FAILED", "clip.mp4 is cut off.")
    assert [await webhook.deliver() for _ in range(3)] == [1, 0, 0]
    [request] = receiver.requests
    assert json.loads(request.content) == {"id": ID, "state": "FAILED", "reason": "clip.mp4 is cut off."}
    digest = hmac.new(b"s3cret", b"1700000000." + request.content, hashlib.sha256).hexdigest()
    assert request.headers["telop-signature"] == f"t=1700000000,v1={digest}"
    assert signature("other", 1_700_000_000, request.content) != request.headers["telop-signature"]


async def test_what_is_not_taken_is_sent_again_and_not_for_ever(webhook, receiver, place):
    webhook.note(ID)
    receptions.finish(place, ID, "SUCCEEDED", None)
    receiver.answers = [500, 0]
    assert [await webhook.deliver() for _ in range(3)] == [0, 0, 1]
    webhook.note(ID)
    receiver.answers = [500] * (TRIES_MAX + 5)
    for _ in range(TRIES_MAX):
        await webhook.deliver()
    assert list(place.list("webhooks/")) == []


async def test_without_an_address_nobody_is_told_and_nothing_kept(place, receiver):
    client = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
    nobody = Webhook(place, client, "", "")
    nobody.note(ID)
    receptions.finish(place, ID, "SUCCEEDED", None)
    assert await nobody.deliver() == 0
    assert list(place.list("webhooks/")) == []
