"""What atheris calls with the bytes that it makes up, by name: each raises if something is wrong.

``python fuzz_targets.py NAME DIRECTORY [libFuzzer's options]``; in the directory it keeps inputs that reach new code.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["jubako", "uvicorn.protocols"]):
    import fuzz_seeds
    from fuzz_port import Line, Port, check_said

    from jubako.boxes.jobs import methods as job_methods
    from jubako.boxes.services import methods as service_methods
    from jubako.boxes.workflows import execution_filters
    from jubako.boxes.workflows import methods as workflow_methods
    from jubako.boxes.workflows.language.build import compile_workflow
    from jubako.cli.errors import UsageError
    from jubako.cli.filters import parse_filter
    from jubako.core.errors import InvalidArgument
    from jubako.identity.accounts import Home
    from jubako.identity.keys import SigningKey, new_key
    from jubako.identity.metadata import Metadata
    from jubako.identity.tokens import Tokens
    from jubako.runtime.system import SystemClock
    from jubako.telemetry import log_filter
    from jubako.wire import codec, protobuf_codec
    from jubako.wire.connection import Broken, Connection, Reply, TooLarge
    from jubako.wire.h2_calls import REFUSED, Calls, Unacceptable
    from jubako.wire.http import HttpRequest

REQUESTS: list[Any] = [
    method.request
    for table in (
        job_methods.JOBS,
        job_methods.EXECUTIONS,
        service_methods.SERVICES,
        workflow_methods.WORKFLOWS,
    )
    for method in table
]
ENTRY = {
    "severity": "ERROR",
    "textPayload": "a line",
    "labels": {"a": "b"},
    "timestamp": "2026-11-24T00:00:00Z",
}
LOOP = asyncio.new_event_loop()


def is_named(error: Exception) -> None:
    assert str(error)


def text_of(data: bytes) -> str:
    """What comes as JSON or protobuf has no lone surrogates: their decoders refuse them."""
    return data.decode("utf-8", "replace")


def pieces_of(data: bytes) -> list[bytes]:
    """The first byte says into how many reads the rest is cut."""
    count = data[0] % 4 + 1 if data else 1
    rest = data[1:]
    size = max(1, -(-len(rest) // count))
    return [rest[at : at + size] for at in range(0, len(rest), size)]


class PortTarget:
    """Connections to the one port."""

    def __init__(self) -> None:
        self.port = Port(LOOP)

    def __call__(self, data: bytes) -> None:
        check_said(self.port.take(pieces_of(data)))


def protobuf(data: bytes) -> None:
    """Bodies of gRPC calls."""
    cls = REQUESTS[data[0] % len(REQUESTS)] if data else REQUESTS[0]
    try:
        message = protobuf_codec.decode(cls, data[1:])
    except InvalidArgument as error:
        is_named(error)
        return
    again = protobuf_codec.decode(cls, protobuf_codec.encode(message))
    assert codec.encode(again) == codec.encode(message)


def json(data: bytes) -> None:
    """Bodies of REST calls."""
    cls = REQUESTS[data[0] % len(REQUESTS)] if data else REQUESTS[0]
    try:
        message = codec.decode(cls, data[1:])
    except InvalidArgument as error:
        is_named(error)
        return
    codec.encode(codec.decode(cls, codec.encode(message)))


def workflow(data: bytes) -> None:
    """Sources of workflows."""
    try:
        compile_workflow(text_of(data))
    except InvalidArgument as error:
        is_named(error)


def log_filters(data: bytes) -> None:
    """Filters of ``entries:list``."""
    try:
        log_filter.parse(text_of(data)).holds(ENTRY)
    except InvalidArgument as error:
        is_named(error)


def list_filters(data: bytes) -> None:
    """Filters and orders of workflow executions."""
    text = text_of(data)
    for parse in (execution_filters.filter_of_executions, execution_filters.order_of_executions):
        try:
            parse(text)
        except InvalidArgument as error:
            is_named(error)


def cli_filters(data: bytes) -> None:
    """``--filter`` of the command line."""
    try:
        parse_filter(data.decode("utf-8", "surrogateescape"))(ENTRY)
    except UsageError as error:
        is_named(error)


def frames(data: bytes) -> None:
    """What a client of gRPC says."""
    calls, passed = Calls(lambda name: name == "localhost"), b""
    try:
        for piece in pieces_of(data):
            passed += calls.read(piece)
    except Unacceptable as error:
        is_named(error)
    assert REFUSED.encode() in passed or data[1:].startswith(passed)


class MetadataTarget:
    """Requests to the metadata server of a program."""

    def __init__(self) -> None:
        tokens = Tokens(SigningKey(new_key()), SystemClock())
        self.metadata = Metadata(Home("p", "l", "a@p.iam.gserviceaccount.com"), tokens)

    def __call__(self, data: bytes) -> None:
        path, _, query = data.decode("latin-1").partition("?")
        request = HttpRequest(method="GET", path=path, query=query, headers={"metadata-flavor": "Google"})
        reply = self.metadata.answer(request)
        assert reply.status in {200, 400, 404}
        assert reply.headers["metadata-flavor"] == "Google"


class AnswerTarget:
    """What a hostile server answers to our HTTP client."""

    def __call__(self, data: bytes) -> None:
        connection, line = Connection(), Line()
        told: list[Reply | Exception] = []
        connection.connection_made(line)
        connection.begin("GET", b"GET / HTTP/1.1\r\n\r\n", 100, told.append)
        for piece in pieces_of(data):
            if not line.is_closed:
                connection.data_received(piece)
        connection.connection_lost(None)
        [reply] = told
        if isinstance(reply, Exception):
            assert isinstance(reply, Broken | TooLarge)
            assert line.is_closed
            return
        assert len(reply.body) <= 100
        assert 200 <= reply.status <= 999


TARGETS: dict[str, Callable[[], Callable[[bytes], None]]] = {
    "port": PortTarget,
    "answer": AnswerTarget,
    "metadata": MetadataTarget,
    "frames": lambda: frames,
    "protobuf": lambda: protobuf,
    "json": lambda: json,
    "workflow": lambda: workflow,
    "log-filter": lambda: log_filters,
    "list-filter": lambda: list_filters,
    "cli-filter": lambda: cli_filters,
}


def main() -> None:
    """Fuzz the target that the command line names until libFuzzer's limits are reached."""
    program, name, folder, *options = sys.argv
    corpus, words = fuzz_seeds.write(name, Path(folder))
    asyncio.set_event_loop(LOOP)
    atheris.Setup([program, f"-dict={words}", *options, str(corpus)], TARGETS[name]())
    atheris.Fuzz()


if __name__ == "__main__":
    main()
