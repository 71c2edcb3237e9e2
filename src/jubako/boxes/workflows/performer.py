"""Carries out effects that leave the process: HTTP requests and connector calls.

1. Every call has the effect's name as its idempotency key, so carrying an effect out again after a crash starts
   nothing twice where the other side keeps keys (our own APIs do).
2. A long-running method is waited for by the operations API; the waiting is not journalled.
3. Whatever goes wrong on the way becomes an error map with the tags that the language documents; nothing raises.

Sources: cloud.google.com/workflows/docs/http-requests; .../docs/reference/stdlib/http; .../docs/connectors.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jubako.boxes.workflows.callbacks import CallbackEndpoints
from jubako.boxes.workflows.connectors import Connector, ConnectorRequest, request_of
from jubako.boxes.workflows.language import Effect, EffectDone, EffectFailed, EffectKind
from jubako.boxes.workflows.messages import body_of, error_of, failure_map, headers_of, result_of, url_of
from jubako.boxes.workflows.outgoing import Outgoing
from jubako.boxes.workflows.seat import Outcome
from jubako.core.clock import Clock
from jubako.core.errors import InvalidArgument
from jubako.core.timestamps import format_duration
from jubako.store.outbox import Message
from jubako.wire.egress import Call
from jubako.wire.http import HttpResponse
from jubako.wire.method import Caller
from jubako.wire.outbound import EgressError

HTTP_TIMEOUT_MAX = timedelta(seconds=1800)
CONNECTOR_TIMEOUT_DEFAULT_S = 1800.0
CONNECTOR_TIMEOUT_MAX_S = 366 * 86_400.0
WAIT_SLICE = timedelta(seconds=60)
RUN_JOB = "jobs.run"


@dataclass(frozen=True, slots=True)
class Context:
    """For which execution something is carried out."""

    name: str
    id: str
    service_account: str
    env: Mapping[str, str]

    @property
    def caller(self) -> Caller:
        """As whom the execution calls."""
        return Caller(principal="user:local")


class Performer:
    """See the module."""

    def __init__(
        self,
        outgoing: Outgoing,
        connectors: Mapping[str, Connector],
        clock: Clock,
        endpoints: CallbackEndpoints,
    ) -> None:
        self._outgoing = outgoing
        self._endpoints = endpoints
        self._connectors = connectors
        self._clock = clock

    async def perform(self, effect: Effect, context: Context) -> Outcome:
        """Return the outcome of an HTTP, CONNECTOR or CALLBACK_CREATE effect."""
        try:
            if effect.kind is EffectKind.HTTP:
                return await self._http(effect, context)
            if effect.kind is EffectKind.CONNECTOR:
                return await self._connector(effect, context)
            if effect.kind is EffectKind.CALLBACK_CREATE:
                endpoint = await self._endpoints.create(effect, context.id, context.name)
                return EffectDone(effect.name, endpoint)
        except (EgressError, InvalidArgument) as error:
            return EffectFailed(effect.name, error_of(error))
        return EffectFailed(
            effect.name, failure_map("SystemError", f"{effect.function} is not available in this version")
        )

    async def stop(self, message: Message) -> None:
        """Outbox delivery: cancel what a connector call started.

        The call is repeated under its own key, which tells what it started: the call may have been made without
        anybody learning its answer. One that was never made starts now, and is cancelled at once.
        """
        told = json.loads(message.payload)
        connector = self._connectors.get(told["function"])
        if connector is None or not connector.name.endswith(RUN_JOB):
            return
        request = request_of(connector, told["args"])
        if isinstance(request, str):
            return
        caller = Caller(principal="user:local", idempotency_key=told["key"])
        response = await self._send(request, caller, HTTP_TIMEOUT_MAX)
        if response.status >= 400:  # refused when it was made, and so never started
            return
        operation = json.loads(response.body)
        execution = operation["metadata"]["name"]
        host = connector.url.partition("{}")[0]
        await self._send(ConnectorRequest("POST", f"{host}{execution}:cancel", {}), caller, HTTP_TIMEOUT_MAX)

    async def _http(self, effect: Effect, context: Context) -> Outcome:
        args = effect.args
        content_type, body = body_of(args)
        headers = headers_of(args, content_type)
        if args["method"] not in {"GET", "HEAD"}:
            headers.setdefault("idempotency-key", _key(context.id, effect.name))
        limit = timedelta(seconds=args.get("timeout", HTTP_TIMEOUT_MAX.total_seconds()))
        call = Call(
            method=args["method"],
            url=url_of(args),
            headers=headers,
            body=body,
            timeout=min(limit, HTTP_TIMEOUT_MAX),
        )
        response = await self._outgoing.send(call, context.caller)
        result = result_of(response)
        if response.status >= 400:
            message = f"HTTP server responded with error code {response.status}"
            return EffectFailed(effect.name, failure_map("HttpError", message, **result))
        return EffectDone(effect.name, result)

    async def _connector(self, effect: Effect, context: Context) -> Outcome:
        connector = self._connectors.get(effect.function)
        if connector is None:
            problem = f"{effect.function} is not a connector of this server"
            return EffectFailed(effect.name, failure_map("SystemError", problem))
        request = request_of(connector, effect.args)
        if isinstance(request, str):
            return EffectFailed(effect.name, failure_map("ValueError", request))
        params = effect.args.get("connector_params") or {}
        seconds = min(float(params.get("timeout", CONNECTOR_TIMEOUT_DEFAULT_S)), CONNECTOR_TIMEOUT_MAX_S)
        deadline = self._clock.now() + timedelta(seconds=seconds)
        caller = Caller(principal=context.caller.principal, idempotency_key=_key(context.id, effect.name))
        response = await self._send(request, caller, HTTP_TIMEOUT_MAX)
        if response.status >= 400:
            return EffectFailed(effect.name, _refused(response))
        answer = json.loads(response.body or b"null")
        if connector.is_long_running and not params.get("skip_polling"):
            return await self._wait(effect, connector, answer, deadline)
        return EffectDone(effect.name, answer)

    async def _wait(
        self, effect: Effect, connector: Connector, operation: Any, deadline: datetime
    ) -> Outcome:
        """Return the outcome of an operation once it is done."""
        host = connector.url.partition("{}")[0]
        while not operation.get("done"):
            left = deadline - self._clock.now()
            if left <= timedelta(0):
                problem = f"{effect.function} did not end in time; it goes on: {operation['name']}"
                return EffectFailed(effect.name, failure_map("TimeoutError", problem, operation=operation))
            patience = {"timeout": format_duration(min(left, WAIT_SLICE))}
            request = ConnectorRequest("POST", f"{host}{operation['name']}:wait", patience)
            response = await self._send(request, Caller(principal="user:local"), 2 * WAIT_SLICE)
            if response.status >= 400:
                return EffectFailed(effect.name, _refused(response))
            operation = json.loads(response.body)
        if "error" in operation:
            message = operation["error"].get("message", "the operation failed")
            fields = {"operation": operation, "error": operation["error"]}
            return EffectFailed(effect.name, failure_map("OperationError", message, **fields))
        return EffectDone(effect.name, _without_type(operation.get("response")))

    async def _send(self, request: ConnectorRequest, caller: Caller, limit: timedelta) -> HttpResponse:
        body = b"" if request.body is None else json.dumps(request.body).encode()
        headers = {"content-type": "application/json"} if body else {}
        call = Call(method=request.verb, url=request.url, headers=headers, body=body, timeout=limit)
        return await self._outgoing.send(call, caller)


def stop_message(execution: str, effect: Effect) -> str:
    """Return the outbox payload that has what this effect started cancelled."""
    return json.dumps(
        {"key": _key(execution, effect.name), "function": effect.function, "args": effect.args},
        ensure_ascii=False,
    )


def _key(execution: str, effect: str) -> str:
    """Return the idempotency key of an effect: its full name, in visible ASCII, bounded."""
    plain = "".join(letter if "!" <= letter <= "~" else f"%{ord(letter):x}" for letter in effect)
    return f"{execution}/{plain}"


def _refused(response: HttpResponse) -> dict[str, Any]:
    result = result_of(response)
    body = result["body"]
    error = body.get("error", {}) if isinstance(body, dict) else {}
    message = error.get("message") or f"HTTP server responded with error code {response.status}"
    return failure_map("HttpError", message, **result)


def _without_type(response: Any) -> Any:
    if isinstance(response, dict):
        return {key: value for key, value in response.items() if key != "@type"}
    return response
