"""A model behind an OpenAI-compatible address, over a real socket."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Hosted:
    """What tests ask; ``asked`` is what came: (path, headers, body) each.

    Attributes:
        answer: Bytes, or what writes to the handler itself.

    """

    def __init__(self, answer: bytes | Callable[[Any], None], status: int) -> None:
        self.asked: list[Any] = []
        hosted = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hosted.asked.append((self.path, dict(self.headers), body))
                if callable(answer):
                    return answer(self)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(answer)
                return None

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def hosted() -> Iterator[Callable[..., Hosted]]:
    """Return what starts a model: ``hosted(answer, status=200)``."""
    running: list[Hosted] = []

    def start(answer: bytes | Callable[[Any], None], status: int = 200) -> Hosted:
        running.append(Hosted(answer, status))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture
def slow() -> Iterator[Callable[[str], Callable[[Any], None]]]:
    """Return what answers ``silent`` or ``dripping``, until the test is over."""
    enough = threading.Event()

    def manner_of(manner: str) -> Callable[[Any], None]:
        def answer(handler: Any) -> None:
            if manner == "dripping":
                handler.send_response(200)
                handler.end_headers()
            while not enough.wait(0.05):
                if manner == "dripping":
                    try:
                        handler.wfile.write(b" ")
                    except OSError:
                        return

        return answer

    yield manner_of
    enough.set()
