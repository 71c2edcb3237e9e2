"""A bucket on a socket: the part of Cloud Storage's JSON API that the sink speaks, with failures on order."""

import base64
import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

PAGE = 3
TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"


class Bucket(ThreadingHTTPServer):
    """One bucket named ``results``; ``faults`` are used up, one by each request.

    A fault is a status to answer without doing anything, ``drop`` (hang up without doing anything), ``lose`` (do it and
    hang up), ``cut`` (do it and hang up in the middle of the answer) or ``stall`` (do it and answer never).
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.objects: dict[str, tuple[bytes, int, object]] = {}
        self.generation = 0
        self.has_hashes = True
        self.faults: deque[int | str] = deque()
        self.seen: list[tuple[str, str, str | None]] = []
        self.released = threading.Event()
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def contents(self) -> dict[str, bytes]:
        with self.lock:
            return {name: data for name, (data, *_) in self.objects.items()}

    def answer(self, method: str, url: str, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(url)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == TOKEN:
            return 200, b'{"access_token": "secret", "expires_in": 3600}'
        where, _, name = parts.path.partition("/b/results/o")
        with self.lock:
            if where == "/upload/storage/v1":
                return self.upload(asked, body)
            if where != "/storage/v1":
                return refusal(404, "The specified bucket does not exist.")
            return self.one(method, unquote(name[1:]), asked) if name else self.page(asked)

    def upload(self, asked: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if asked.get("ifGenerationMatch") == "0" and asked["name"] in self.objects:
            return refusal(412, "At least one of the pre-conditions you specified did not hold.")
        self.generation += 1
        _, first, second, last = body.split(body.partition(b"\r\n")[0])
        known = json.loads(first.partition(b"\r\n\r\n")[2])
        data = second.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        assert (asked["uploadType"], known["name"], last) == ("multipart", asked["name"], b"--\r\n")
        self.objects[asked["name"]] = (data, self.generation, known["metadata"])
        return 200, json.dumps({"generation": str(self.generation)}).encode()

    def one(self, method: str, name: str, asked: dict[str, str]) -> tuple[int, bytes]:
        if name not in self.objects:
            return refusal(404, f"No such object: results/{name}")
        data, generation, metadata = self.objects[name]
        if method == "DELETE":
            del self.objects[name]
            return 204, b""
        if asked.get("alt") == "media":
            return 200, data
        said = {"generation": str(generation), "size": str(len(data)), "metadata": metadata}
        if self.has_hashes:
            said["md5Hash"] = base64.b64encode(hashlib.md5(data).digest()).decode()
        return 200, json.dumps(said).encode()

    def page(self, asked: dict[str, str]) -> tuple[int, bytes]:
        prefix, start = asked.get("prefix", ""), int(asked.get("pageToken", "0"))
        names = sorted(name for name in self.objects if name.startswith(prefix))
        said: dict[str, object] = {}
        if "delimiter" in asked:
            found = {prefix + rest[0] + "/" for name in names if (rest := name[len(prefix) :].split("/"))[1:]}
            names = sorted(found)
            said["prefixes"] = names[start : start + PAGE]
        else:
            said["items"] = [{"name": name} for name in names[start : start + PAGE]]
        if len(names) > start + PAGE:
            said["nextPageToken"] = str(start + PAGE)
        return 200, json.dumps(said).encode()


class Handler(BaseHTTPRequestHandler):
    server: Bucket  # type: ignore[mutable-override] # no other makes handlers
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.seen.append((self.command, self.path, self.headers.get("Authorization")))
        fault = self.server.faults.popleft() if self.server.faults else ""
        if fault == "drop":
            return
        if isinstance(fault, int):
            self.say(*refusal(fault, "not now"))
            return
        status, answer = self.server.answer(self.command, self.path, body)
        if fault == "stall":
            self.server.released.wait(10)
        elif fault == "cut":
            self.say(status, answer, len(answer) // 2)
        elif fault != "lose":
            self.say(status, answer, len(answer))

    do_GET = do_DELETE = do_POST  # noqa: N815 - their names

    def say(self, status: int, answer: bytes, sent: int | None = None) -> None:
        with suppress(ConnectionError):  # nobody waits for it any more
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[:sent])

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def refusal(status: int, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"error": {"code": status, "message": message}}).encode()


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[Bucket]:
    with Bucket() as bucket:
        thread = threading.Thread(target=bucket.serve_forever, args=(0.01,))
        thread.start()
        yield bucket
        bucket.released.set()
        bucket.shutdown()
        thread.join(10)


@pytest.fixture
def bucket(bucket_server: Bucket) -> Bucket:
    bucket_server.objects.clear()
    bucket_server.faults.clear()
    bucket_server.seen.clear()
    bucket_server.has_hashes = True
    return bucket_server


@pytest.fixture
def side_by_side() -> Callable[[int, Callable[[int], None]], None]:
    """Return what calls a function with 0, 1, ..., each in a thread of its own."""

    def call(count: int, function: Callable[[int], None]) -> None:
        threads = [threading.Thread(target=function, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

    return call
