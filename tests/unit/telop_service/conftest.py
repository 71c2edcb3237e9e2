"""The reception service on a real socket, before a small fake of the two APIs that it calls."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
import uvicorn

from jubako_apps.telop.intake import Facts, Unusable
from jubako_apps.telop.settings import Settings
from jubako_sdk import Sink, sink

PARENT = "projects/local/locations/asia-northeast1"

if TYPE_CHECKING:
    from starlette.applications import Starlette


def application(settings: Settings, sweep_seconds: float = 3600) -> "Starlette":
    """Return the service's application; its web framework belongs to an extra that may be missing."""
    pytest.importorskip("starlette")
    from jubako_apps.telop import service

    return service.application(settings, FakeReader(), sweep_seconds=sweep_seconds)


class FakeReader:
    """Takes anything that begins with VIDEO for a clip of 100 seconds."""

    def probe(self, path: Path) -> Facts:
        with path.open("rb") as file:
            head = file.read(6)
        if not head.startswith(b"VIDEO"):
            raise Unusable(f"{path.name} is not a video file that can be read here.")
        return Facts(duration=100.0, has_audio=head != b"VIDEO-")

    def segments(self, duration: float, length: float) -> int:
        return max(1, round(duration / length))

    def check_script(self, data: bytes, kind: str, language: str) -> None:
        if b"\0" in data:
            raise Unusable("The script is not text.")

    def check_list(self, data: bytes, language: str) -> None:
        if b"\0" in data:
            raise Unusable("The list is not text.")

    def speech_parts(self, duration: float) -> int:
        return 4

    def has_track(self, facts: Facts, language: str) -> bool:
        return language in facts.tracks


class FakePlatform:
    """The two APIs as far as the reception calls them, over a real socket."""

    def __init__(self) -> None:
        self.executions: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self.job_executions: dict[str, dict[str, Any]] = {}
        self.is_down = False
        self.honours_keys = True
        self.creates = 0
        self.lock = threading.Lock()

    def answer(  # noqa: PLR0911 - a table of answers
        self, method: str, path: str, query: dict[str, str], headers: Any, body: dict[str, Any]
    ) -> Any:
        with self.lock:
            if self.is_down:
                return 503, {"error": {"code": 503, "message": "down"}}
            if path.startswith("/v2/"):
                return self._jobs(method, path)
            if path.endswith(":cancel"):
                execution = self.executions[path[4:].removesuffix(":cancel")]
                if execution["state"] != "ACTIVE":
                    return 400, {"error": {"code": 400, "message": "not active"}}
                execution["state"] = "CANCELLED"
                return 200, execution
            if method == "POST":
                return 200, self._create(headers.get("Idempotency-Key"), body)
            if path.endswith("/executions"):
                return 200, self._page(query)
            return (200, self.executions[path[4:]]) if path[4:] in self.executions else (404, {})

    def _create(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.honours_keys and key in self.keys:
            return self.executions[self.keys[key]]
        self.creates += 1
        assert isinstance(body["argument"], str)
        name = f"{PARENT}/workflows/telop-check/executions/{len(self.executions)}"
        self.executions[name] = {"name": name, "state": "ACTIVE", **body}
        self.keys[key] = name
        return self.executions[name]

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        # One per page and unfiltered: the reception must page and look at the labels itself.
        names = sorted(self.executions, reverse=True)
        start = int(query.get("pageToken", "0"))
        page: dict[str, Any] = {"executions": [self.executions[name] for name in names[start : start + 1]]}
        if start + 1 < len(names):
            page["nextPageToken"] = str(start + 1)
        return page

    def _jobs(self, method: str, path: str) -> Any:
        if path.endswith(":cancel"):
            self.job_executions[path[4:].removesuffix(":cancel")]["completionTime"] = "2026-01-01T00:00:00Z"
            return 200, {}
        job = path.split("/jobs/", maxsplit=1)[1].split("/", maxsplit=1)[0]
        if job == "telop-speech":
            return 404, {"error": {"code": 404, "message": "no such job"}}
        return 200, {"executions": [e for e in self.job_executions.values() if f"/jobs/{job}/" in e["name"]]}

    def run_job(self, reception: str, number: int) -> str:
        name = f"{PARENT}/jobs/telop-ocr/executions/telop-ocr-{number}"
        env = [{"name": "RECEPTION_ID", "value": reception}]
        self.job_executions[name] = {"name": name, "template": {"containers": [{"env": env}]}}
        return name


@contextmanager
def listening(fake: FakePlatform) -> Iterator[str]:

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: otherwise each answer waits for a delayed ACK

        def serve(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            status, answer = fake.answer(self.command, unquote(parts.path), query, self.headers, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = serve  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Stage:
    """One listening server for all tests; each puts its own application on it.

    Starting and stopping a server costs some tenths of a second of waiting, the application itself nothing.
    """

    def __init__(self) -> None:
        self.app: Starlette | None = None
        self.loop = asyncio.new_event_loop()
        self.listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(self.answer, log_level="error", ws="none", lifespan="off", interface="asgi3")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.server.serve(sockets=[self.listener]))

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        self.listener.close()
        self.loop.close()

    @contextmanager
    def showing(self, app: "Starlette") -> Iterator[httpx.Client]:
        lifespan = app.router.lifespan_context(app)
        self.wait(lifespan.__aenter__())
        self.app, before = app, self.app
        try:
            base = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
            with httpx.Client(base_url=base, timeout=20) as client:
                yield client
        finally:
            self.app = before
            self.wait(lifespan.__aexit__(None, None, None))

    def wait(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(20)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def fake() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def settings(tmp_path, fake):
    with listening(fake) as base:
        yield settings_for(tmp_path, base)


def settings_for(directory: Path, base: str) -> Settings:
    return Settings(
        output_uri=f"{directory.as_uri()}/out",
        project="local",
        location="asia-northeast1",
        executions_base=base,
        run_base=base,
        upload_bytes_max=200_000,
        input_root=directory,
        segment_seconds=20.0,
    )


@pytest.fixture
def place(settings) -> Sink:
    return sink(settings.output_uri)


@pytest.fixture
def serve(stage):
    """Serve the application on a real socket for the length of a block."""
    return lambda settings, sweep_seconds=3600: stage.showing(application(settings, sweep_seconds))


@pytest.fixture
def client(settings, serve) -> Iterator[httpx.Client]:
    with serve(settings) as client:
        yield client


class Refusing(NamedTuple):
    """A service of which every test expects that it keeps nothing, so that one is enough for all of them."""

    client: httpx.Client
    fake: FakePlatform
    place: Sink
    directory: Path


@pytest.fixture(scope="module")
def refusing(tmp_path_factory, stage) -> Iterator[Refusing]:
    directory, fake = tmp_path_factory.mktemp("refusing"), FakePlatform()
    with listening(fake) as base:
        settings = settings_for(directory, base)
        with stage.showing(application(settings)) as client:
            yield Refusing(client, fake, sink(settings.output_uri), directory)
