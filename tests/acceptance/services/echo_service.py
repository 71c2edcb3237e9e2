"""A service for tests: says what it was asked, counts bodies, is slow or dies on request. Standard library only."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        kind = url.path.strip("/")
        if kind == "slow":
            threading.Event().wait(float(query["seconds"]))
        if kind == "big":
            self._big(int(query["bytes"]))
        elif kind == "cut":
            self.send_response(200)
            self.send_header("content-length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        else:
            self._answer(
                {
                    "pid": os.getpid(),
                    "path": self.path,
                    "headers": {name.lower(): value for name, value in self.headers.items()},
                    "env": {name: value for name, value in os.environ.items() if name in NAMES},
                    "cwd": str(Path.cwd()),
                }
            )

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "12345")
        self.end_headers()

    def do_POST(self) -> None:
        if self.path == "/refuse":
            self.close_connection = True
            self._answer({"error": "too large"}, 413)
            return
        if self.path == "/die":
            os._exit(3)
        count = 0
        for piece in self._body():
            count += len(piece)
        self._answer({"bytes": count, "chunked": "transfer-encoding" in self.headers})

    def _body(self) -> Iterator[bytes]:
        if "transfer-encoding" in self.headers:
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("content-length", "0"))
        while left:
            piece = self.rfile.read(min(left, 1 << 16))
            if not piece:
                return
            left -= len(piece)
            yield piece

    def _big(self, left: int) -> None:
        self.send_response(200)
        self.send_header("content-length", str(left))
        self.send_header("set-cookie", "a=1")
        self.send_header("set-cookie", "b=2")
        self.end_headers()
        piece = b"x" * 65536
        while left:
            self.wfile.write(piece[:left])
            left -= min(left, len(piece))

    def _answer(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


NAMES = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "COLOUR"}

if __name__ == "__main__":
    with Path(os.environ["STARTS"]).open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Echo).serve_forever()
