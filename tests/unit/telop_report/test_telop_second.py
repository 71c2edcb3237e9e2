"""The second opinion, asked of a real server that answers well, badly, late, or not at all."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("httpx")

from jubako_apps.telop.findings import Finding
from jubako_apps.telop.second import ASKED_MAX, Adviser, Opinion, adviser_from, opinions

FINDING = Finding(
    id="7-4-homophone", telop_id=7, start=61.2, end=64.0, kind="homophone", telop="The whether is fine", offset=4,
    wrong="whether", right="weather", said="The weather is fine.", confidence=0.92, severity="high",
)  # fmt: skip
SECRET = "sk-very-secret"


def answered(content: str) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def told(**opinion: Any) -> bytes:
    return answered(json.dumps({"opinions": [opinion]}))


@contextmanager
def asked_of(answer: Callable[[Any], None]) -> Iterator[tuple[Adviser, list[Any]]]:
    """Serve ``answer``; give whom to ask, and what was asked."""
    requests: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append((self.path, dict(self.headers), body))
            answer(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Adviser(url=f"http://127.0.0.1:{server.server_port}/v1", model="m", key=SECRET), requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def with_body(data: bytes, status: int = 200) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def test_the_adviser_is_asked_about_texts_only_and_its_verdict_comes_back():
    with asked_of(with_body(told(id=FINDING.id, verdict="error", reason="A homophone."))) as (
        adviser,
        requests,
    ):
        assert opinions(adviser, [FINDING]) == {FINDING.id: Opinion(verdict="error", reason="A homophone.")}
    [(path, headers, body)] = requests
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert body["model"] == "m"
    assert json.loads(body["messages"][1]["content"])["items"][0]["wrong"] == "whether"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<html>", b"[]", b"{}", answered("I think it is fine."), answered('{"opinions": 5}'),
        answered("[" * 5000),
        told(id="another", verdict="error"), told(id=FINDING.id, verdict="maybe"), told(id=5, verdict="fine"),
        json.dumps({"choices": [{"message": {"content": None}}]}).encode(),
        b"x" * 300_000,
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_no_opinion(data):
    with asked_of(with_body(data)) as (adviser, _):
        assert opinions(adviser, [FINDING]) == {}


def test_what_comes_back_is_a_short_plain_text():
    evil = told(id=FINDING.id, verdict="fine", reason="a\n\0\u202e" + "<script>" * 100)
    with asked_of(with_body(evil)) as (adviser, _):
        reason = opinions(adviser, [FINDING])[FINDING.id].reason
    assert reason.isprintable()
    assert len(reason) == 200


@pytest.mark.parametrize("status", [401, 429, 500, 302])
def test_a_refusal_is_no_opinion_and_the_key_is_not_logged(status, capsys):
    with asked_of(with_body(b"{}", status)) as (adviser, _):
        assert opinions(adviser, [FINDING]) == {}
    printed = capsys.readouterr()
    assert "no second opinion" in printed.out
    assert SECRET not in printed.out + printed.err + repr(adviser)
    assert "127.0.0.1" not in printed.out


@pytest.mark.parametrize("manner", ["silent", "dripping"])
def test_the_report_waits_no_longer_than_it_may(manner):
    enough = threading.Event()

    def slow(handler: Any) -> None:
        if manner == "dripping":
            handler.send_response(200)
            handler.end_headers()
        while not enough.wait(0.05):
            if manner == "dripping":
                try:
                    handler.wfile.write(b" ")
                except OSError:
                    return

    with asked_of(slow) as (adviser, _):
        began = time.monotonic()
        assert opinions(adviser, [FINDING], time_s=0.3) == {}
        assert time.monotonic() - began < 2.0
        enough.set()


def test_nobody_there_is_no_opinion_and_nothing_found_is_not_asked():
    nobody = Adviser(url="http://127.0.0.1:1/v1", model="m")
    assert opinions(nobody, [FINDING]) == {}
    assert opinions(nobody, []) == {}


def test_only_so_many_findings_are_asked_about():
    many = [replace(FINDING, id=str(number)) for number in range(3 * ASKED_MAX)]
    with asked_of(with_body(told(id="0", verdict="fine"))) as (adviser, requests):
        assert set(opinions(adviser, many)) == {"0"}
    assert len(json.loads(requests[0][2]["messages"][1]["content"])["items"]) == ASKED_MAX


def test_nobody_is_asked_unless_somebody_is_named():
    assert adviser_from({}) is None
    assert adviser_from({"TELOP_SECOND_OPINION_URL": "models.example"}) is None
    named = adviser_from({"TELOP_SECOND_OPINION_URL": "http://h/v1/", "TELOP_SECOND_OPINION_MODEL": "m"})
    assert named == Adviser(url="http://h/v1", model="m")
