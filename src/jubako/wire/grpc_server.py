"""gRPC: the same method table and the same handlers as REST, over grpc.aio on a Unix socket.

Importing this module loads grpc and protobuf, so only the first gRPC connection does (wire/grpc_door.py).
"""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import grpc
import grpc.aio

from jubako.core.errors import Internal, JubakoError, NotFound, PermissionDenied, Unavailable
from jubako.core.events import Events
from jubako.wire import protobuf_codec
from jubako.wire.body import BIG_BODY, BODY_MAX, BodyTooLarge
from jubako.wire.dispatch import Access, Dispatch, Question
from jubako.wire.errors import CODE_NUMBER
from jubako.wire.front import HEAD_MAX, Callers, idempotency_key
from jubako.wire.google_types import ListOperationsRequest
from jubako.wire.grpc_status import shortened, status_of
from jubako.wire.h2_calls import REFUSED
from jubako.wire.method import Api, Caller, Method
from jubako.wire.resources import resource_of_request
from jubako.wire.schema import Message
from jubako.wire.shared_operations import merged

OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", HEAD_MAX),
    ("grpc.absolute_max_metadata_size", HEAD_MAX),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.so_reuseport", 0),
)
"""Of the C core: the limits that HTTP/1.1 has too, and how long a client may say nothing before it counts as gone."""
STATUS_DETAILS = "grpc-status-details-bin"
"""Source: grpc, "Richer error model": the trailer that carries google.rpc.Status."""

_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_READS = frozenset({"get", "list", "listRevisions", "getIamPolicy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a call needs beyond its method."""

    access: Access
    callers: Callers
    events: Events


class GrpcServer:
    """Answers gRPC calls on a Unix socket."""

    def __init__(self, apis: Sequence[Api], ports: Ports) -> None:
        self._ports = ports
        self._dispatch = Dispatch(apis, ports.access)
        most = max((method.body_max for api in apis for method in api.methods), default=BODY_MAX)
        self._server = grpc.aio.server(options=[("grpc.max_receive_message_length", most), *OPTIONS])
        self._server.add_generic_rpc_handlers((_Handlers(self._table(apis)),))
        self._writing: set[asyncio.Task[bytes | JubakoError]] = set()
        self._streams: set[asyncio.Task[Any]] = set()
        self._is_stopping = False

    async def start(self, path: Path) -> None:
        """Listen on a socket at ``path``, in a directory of ours alone.

        Raises:
            OSError: It cannot.

        """
        try:
            self._bind(path)
            await self._server.start()
        except RuntimeError as error:
            raise OSError(str(error)) from error

    async def close(self, grace: timedelta) -> None:
        """Accept no more, let calls under way end within ``grace``, then drop them."""
        self._is_stopping = True
        for task in self._streams:
            task.cancel()
        await self._server.stop(grace.total_seconds())
        if self._writing:
            await asyncio.wait(set(self._writing), timeout=grace.total_seconds())

    def _bind(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix:{path}")
        path.chmod(0o600)

    def _table(self, apis: Sequence[Api]) -> Mapping[str, grpc.RpcMethodHandler]:
        methods: dict[str, list[Method]] = {}
        for api in apis:
            for method in api.methods:
                service, _, name = method.name.rpartition(".")
                methods.setdefault(f"/{service}/{name}", []).append(method)
        return {path: self._handler(tuple(same)) for path, same in methods.items()}

    def _handler(self, methods: Sequence[Method]) -> grpc.RpcMethodHandler:
        """Return what answers the methods of one gRPC name: one, or google.longrunning's of several APIs."""
        if methods[0].is_stream:
            return grpc.stream_stream_rpc_method_handler(partial(self._follow, methods[0]))
        is_read = all(method.permission.rpartition(".")[2] in _READS for method in methods)

        async def behave(data: bytes, context: Any) -> bytes:  # noqa: ANN401 - grpc has no types
            answering = self._answer(methods, data, _headers(context.invocation_metadata()))
            answer = await (answering if is_read else self._to_the_end(answering))
            return answer if isinstance(answer, bytes) else await _abort(context, answer)

        return grpc.unary_unary_rpc_method_handler(behave)

    async def _follow(self, method: Method, requests: Any, context: Any) -> None:  # noqa: ANN401
        """Answer a stream's first request with messages, as fast as the client takes them, until it goes away."""
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            # A client may end its side and listen on, so the end of the requests is none of the stream.
            data = await anext(requests, b"")
            messages = await self._stream(method, data, _headers(context.invocation_metadata()))
            async with aclosing(messages):
                await self._begin(task, context)
                async for message in messages:
                    await context.write(protobuf_codec.encode(message))
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
            await _abort(context, _stopping())
        except Exception as error:  # noqa: BLE001 - see _answer
            await _abort(context, self._refusal(method, error))
        finally:
            self._streams.discard(task)

    async def _begin(self, task: asyncio.Task[Any], context: Any) -> None:  # noqa: ANN401
        """Send a stream's headers, so that the client knows: from now on nothing is missed.

        The task is not cancelled meanwhile: while gRPC is sending them, it takes no status that says why the call ends.

        Raises:
            Unavailable: The server is stopping.

        """
        self._streams.discard(task)
        await context.send_initial_metadata(())
        self._streams.add(task)
        if self._is_stopping:
            raise _stopping()

    async def _to_the_end(self, answering: Any) -> bytes | JubakoError:  # noqa: ANN401
        """Finish a change even if the client goes away or its deadline passes, as over HTTP/1.1."""
        task = asyncio.ensure_future(answering)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        answer: bytes | JubakoError = await asyncio.shield(task)
        return answer

    async def _answer(
        self, methods: Sequence[Method], data: bytes, headers: Mapping[str, str]
    ) -> bytes | JubakoError:
        """Return the response's bytes or the error; this is the supervision point of gRPC, see wire/errors.py."""
        try:
            caller = self._caller(headers)
            if (known := await self._again(methods[0], data, caller)) is not None:
                return known
            request = await _decoded(methods[0], data)
            if len(methods) == 1:
                return await self._answer_one(methods[0], data, request, caller)
            allowed = await self._allowed(methods, request, caller)
            return protobuf_codec.encode(await self._call(allowed, request, caller))
        except Exception as error:  # noqa: BLE001 - see above
            return self._refusal(methods[0], error)

    def _refusal(self, method: Method, error: Exception) -> JubakoError:
        """Return what the client is told of an error; one that is no refusal is told the log alone."""
        if isinstance(error, JubakoError):
            return error
        text = "".join(traceback.format_exception(error))
        self._ports.events.emit(
            "request.failed", "ERROR", method=method.name, error=repr(error), traceback=text
        )
        return Internal("Internal error; the server's log says more.")

    def _caller(self, headers: Mapping[str, str]) -> Caller:
        _refuse_strangers(headers)
        caller = self._ports.callers.caller(headers)
        if (key := idempotency_key(headers)) is not None:
            caller = replace(caller, idempotency_key=key)
        return caller

    async def _stream(
        self, method: Method, data: bytes, headers: Mapping[str, str]
    ) -> AsyncGenerator[Message, None]:
        caller = self._caller(headers)
        request = await _decoded(method, data)
        await self._dispatch.authorise(method, caller, resource_of_request(method, request))
        return await self._dispatch.stream(method, request, caller)

    async def _again(self, method: Method, data: bytes, caller: Caller) -> bytes | None:
        """Return the answer to a call that was answered before, if it is the same now."""
        known = self._dispatch.known((method.name, data))
        if known is None:
            return None
        await self._dispatch.authorise(method, caller, known.resource)
        return self._dispatch.again((method.name, data))

    async def _answer_one(self, method: Method, data: bytes, request: Message, caller: Caller) -> bytes:
        resource = resource_of_request(method, request)
        await self._dispatch.authorise(method, caller, resource)
        question = Question(
            asked=(method.name, data),
            method=method,
            resource=resource,
            request=request,
            encode=protobuf_codec.encode,
        )
        return await self._dispatch.answer(question, caller)

    async def _allowed(self, methods: Sequence[Method], request: Message, caller: Caller) -> Sequence[Method]:
        """Return those of several ``methods`` that ``caller`` may call."""
        resource = resource_of_request(methods[0], request)
        allowed, refusal = [], None
        for method in methods:
            try:
                await self._dispatch.authorise(method, caller, resource)
                allowed.append(method)
            except PermissionDenied as error:
                refusal = refusal or error
        if refusal is not None and not allowed:
            raise refusal
        return allowed

    async def _call(self, methods: Sequence[Method], request: Message, caller: Caller) -> Message:
        """Call the method whose API has the named operation; a list is that of all of them."""
        if isinstance(request, ListOperationsRequest):
            return merged(request, [await self._dispatch.call(m, request, caller) for m in methods])
        for method in methods[:-1]:
            try:
                return await self._dispatch.call(method, request, caller)
            except NotFound:
                continue
        return await self._dispatch.call(methods[-1], request, caller)


def _stopping() -> Unavailable:
    return Unavailable("The server is stopping.")


async def _abort(context: Any, error: JubakoError) -> NoReturn:  # noqa: ANN401 - grpc has no types
    details = ((STATUS_DETAILS, status_of(error)),)
    await context.abort(_CODES[CODE_NUMBER[error.code]], shortened(error.message), details)
    raise AssertionError("abort raises")


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds a call's handler; grpc itself answers UNIMPLEMENTED where there is none."""

    def __init__(self, table: Mapping[str, grpc.RpcMethodHandler]) -> None:
        self._table = table

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler | None:  # noqa: ANN401
        """See grpc."""
        return self._table.get(handler_call_details.method)


async def _decoded(method: Method, data: bytes) -> Message:
    """Return the request.

    Raises:
        InvalidArgument: It is none, or too large.

    """
    if len(data) > method.body_max:
        raise BodyTooLarge(method.body_max)
    decode: Callable[[], Message] = partial(protobuf_codec.decode, method.request, data)
    return await asyncio.to_thread(decode) if len(data) > BIG_BODY else decode()


def _refuse_strangers(headers: Mapping[str, str]) -> None:
    """Refuse a call by a name that is not ours, and what a browser sends: as over HTTP/1.1 (wire/origins.py).

    A browser names the page's origin with every POST, and gRPC has no other verb.

    Raises:
        PermissionDenied: The call was marked on its way in, or has headers that browsers set and no gRPC client does.

    """
    if REFUSED in headers:
        raise PermissionDenied("This server does not answer to the name in the call's :authority.")
    if any(name == "origin" or name.startswith("sec-fetch-") for name in headers):
        raise PermissionDenied("gRPC calls from web pages are refused (Origin or Sec-Fetch header).")


def _headers(metadata: Any) -> Mapping[str, str]:  # noqa: ANN401
    headers: dict[str, str] = {}
    for name, value in metadata or ():
        if isinstance(value, str):  # the others are binary, and none of them is ours
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
