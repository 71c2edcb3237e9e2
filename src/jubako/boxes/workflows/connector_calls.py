"""Connector calls: the request, its retries, the wait for a long-running method, and undoing it all.

1. Every call has the effect's name as its idempotency key, so carrying it out again - after a crash, or because a
   reply was lost - starts nothing twice.
2. A long-running method is waited for by the operations API, and a child workflow by the store; neither wait is
   journalled, because asking again gives the same answer.
3. GETs are retried by the idempotent policy, all others by the other one, as the service does.

Source: cloud.google.com/workflows/docs/connectors, "Retries", "Long-running operations", "Connector parameters".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jubako.boxes.workflows import children
from jubako.boxes.workflows.connectors import RUN_DOCUMENT, Connector, ConnectorRequest, request_of
from jubako.boxes.workflows.language import Effect, EffectDone, EffectFailed
from jubako.boxes.workflows.language.library.retries import (
    default_retry_predicate,
    default_retry_predicate_non_idempotent,
)
from jubako.boxes.workflows.messages import error_of, failure_map, result_of
from jubako.boxes.workflows.outgoing import Outgoing
from jubako.boxes.workflows.parameters import Parameters, parameters_of
from jubako.boxes.workflows.seat import Outcome
from jubako.core.clock import Clock
from jubako.core.errors import InvalidArgument
from jubako.core.timestamps import format_duration
from jubako.store.outbox import Message
from jubako.store.port import Store
from jubako.wire.egress import Call
from jubako.wire.http import HttpResponse
from jubako.wire.method import Caller
from jubako.wire.outbound import EgressError

REQUEST_LIMIT = timedelta(seconds=1800)
WAIT_SLICE = timedelta(seconds=60)
RUN_JOB = "jobs.run"
RETRIES_MAX = 5
FIRST_DELAY_S, DELAY_MAX_S, MULTIPLIER = 1.0, 60.0, 1.25
"""Source: cloud.google.com/workflows/docs/reference/stdlib/http/default_retry."""


class Refused(Exception):
    """A call ended with this error map."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


@dataclass(frozen=True, slots=True)
class Errand:
    """One connector call under way."""

    effect: Effect
    caller: Caller
    """With the effect's key."""
    parameters: Parameters
    deadline: datetime


class ConnectorCalls:
    """See the module."""

    def __init__(
        self, outgoing: Outgoing, connectors: Mapping[str, Connector], clock: Clock, store: Store
    ) -> None:
        self._outgoing = outgoing
        self._connectors = connectors
        self._clock = clock
        self._store = store

    async def perform(self, effect: Effect, caller: Caller, parent: str) -> Outcome:
        """Return the outcome of a CONNECTOR effect.

        Args:
            effect: The effect.
            caller: As whom, with the effect's key.
            parent: Full name of the execution that calls.

        """
        try:
            parameters = parameters_of(effect.args)
            errand = Errand(effect, caller, parameters, self._clock.now() + parameters.timeout)
            if effect.function in children.FUNCTIONS:
                return EffectDone(effect.name, await self._children(errand, parent))
            return EffectDone(effect.name, await self._call(errand))
        except Refused as refused:
            return EffectFailed(effect.name, refused.error)

    async def _call(self, errand: Errand) -> Any:
        connector = self._connectors.get(errand.effect.function)
        if connector is None:
            problem = f"{errand.effect.function} is not a connector of this server"
            raise Refused(failure_map("SystemError", problem))
        request = request_of(connector, errand.effect.args)
        if isinstance(request, str):
            raise Refused(failure_map("ValueError", request))
        response = await self._patiently(request, errand.caller, errand.deadline)
        answer = answer_of(response)
        if connector.name == RUN_DOCUMENT and not errand.parameters.skip_polling:
            return await self._document(errand, request, answer)
        if connector.is_long_running and not errand.parameters.skip_polling:
            return await self._operation(errand, connector, answer)
        return answer

    async def _patiently(
        self, request: ConnectorRequest, caller: Caller, deadline: datetime | None
    ) -> HttpResponse:
        """Send a request, again while its failure is one that passes.

        Raises:
            Refused: It failed for good.

        """
        may_pass = (
            default_retry_predicate if request.verb == "GET" else default_retry_predicate_non_idempotent
        )
        delay = FIRST_DELAY_S
        for attempt in range(RETRIES_MAX + 1):
            response, error = await self._once(request, caller, deadline)
            if error is None:
                assert response is not None
                return response
            again = self._clock.now() + timedelta(seconds=delay)
            in_time = deadline is None or again < deadline
            if attempt == RETRIES_MAX or not in_time or not may_pass(error):
                raise Refused(error)
            await self._clock.sleep_until(again)
            delay = min(delay * MULTIPLIER, DELAY_MAX_S)
        raise AssertionError

    async def _once(
        self, request: ConnectorRequest, caller: Caller, deadline: datetime | None
    ) -> tuple[HttpResponse | None, dict[str, Any] | None]:
        limit = REQUEST_LIMIT if deadline is None else min(REQUEST_LIMIT, deadline - self._clock.now())
        try:
            response = await self._send(request, caller, max(limit, timedelta(seconds=1)))
        except (EgressError, InvalidArgument) as error:
            return None, error_of(error)
        return (response, None) if response.status < 400 else (None, _refused(response))

    async def _operation(self, errand: Errand, connector: Connector, operation: Any) -> Any:
        """Return the response of an operation once it is done."""
        host = connector.url.partition("{}")[0]
        while not operation.get("done"):
            left = errand.deadline - self._clock.now()
            if left <= timedelta(0):
                problem = f"{connector.name} did not end in time; it goes on: {operation['name']}"
                raise Refused(failure_map("TimeoutError", problem, operation=operation))
            patience = {"timeout": format_duration(min(left, WAIT_SLICE))}
            request = ConnectorRequest("POST", f"{host}{operation['name']}:wait", patience)
            # Asking whether it is done may be repeated like a GET; past the deadline it is asked once more.
            operation = answer_of(await self._waiting(request, errand.caller))
        if "error" in operation:
            message = operation["error"].get("message", "the operation failed")
            raise Refused(
                failure_map("OperationError", message, operation=operation, error=operation["error"])
            )
        return _without_type(operation.get("response"))

    async def _document(self, errand: Errand, request: ConnectorRequest, execution: Any) -> Any:
        """Return a Kubernetes-shaped execution when it has ended, looking as the polling policy says."""
        get = ConnectorRequest("GET", _execution_url(request.url, execution), None)
        delay = errand.parameters.initial_delay
        while True:
            state = _completed(execution)
            if state == "True":
                return execution
            if state == "False":
                raise Refused(failure_map("OperationError", "the execution failed", operation=execution))
            if self._clock.now() >= errand.deadline:
                problem = f"{errand.effect.function} did not end in time; it goes on"
                raise Refused(failure_map("TimeoutError", problem, operation=execution))
            again = self._clock.now() + timedelta(seconds=delay)
            await self._clock.sleep_until(min(again, errand.deadline))
            delay = min(delay * errand.parameters.multiplier, errand.parameters.max_delay)
            execution = answer_of(await self._patiently(get, errand.caller, None))

    async def _waiting(self, request: ConnectorRequest, caller: Caller) -> HttpResponse:
        return await self._patiently(request, Caller(principal=caller.principal), None)

    async def _children(self, errand: Errand, parent: str) -> Any:
        """Start the child executions of a call, wait for all, and return what they returned."""
        wanted = children.requests_of(errand.effect.function, errand.effect.args, parent)
        if isinstance(wanted, str):
            raise Refused(failure_map("ValueError", wanted))
        started = [await self._start_child(errand, number, request) for number, request in enumerate(wanted)]
        ended = [await self._child_end(errand, name) for name in started]
        results = [children.result_of(execution) for execution in ended]
        for result in results:
            if isinstance(result, children.ChildFailed):
                raise Refused(result.error)
        return results if errand.effect.function == children.MAP else results[0]

    async def _start_child(self, errand: Errand, number: int, request: ConnectorRequest) -> str:
        caller = Caller(
            principal=errand.caller.principal, idempotency_key=f"{errand.caller.idempotency_key}@{number}"
        )
        return str(answer_of(await self._patiently(request, caller, errand.deadline))["name"])

    async def _child_end(self, errand: Errand, name: str) -> dict[str, Any]:
        """Return a child execution when it has ended."""
        get = ConnectorRequest("GET", children.URL + name, None)
        with self._store.watch(children.topic_of(name)) as watch:
            while True:
                execution: dict[str, Any] = answer_of(await self._patiently(get, errand.caller, None))
                if execution["state"] not in {"ACTIVE", "QUEUED"}:
                    return execution
                if self._clock.now() >= errand.deadline:
                    problem = f"{errand.effect.function} did not end in time; it goes on: {name}"
                    raise Refused(failure_map("TimeoutError", problem, operation=execution))
                await watch.wait_until(self._clock, errand.deadline)

    async def stop(self, message: Message) -> None:
        """Outbox delivery: cancel what a connector call started.

        The call is repeated under its own key, which tells what it started: the call may have been made without
        anybody learning its answer. One that was never made starts now, and is cancelled at once.
        """
        told = json.loads(message.payload)
        caller = Caller(principal=told.get("principal", "user:local"), idempotency_key=told["key"])
        if told["function"] in children.FUNCTIONS:
            await self._stop_children(told, caller)
            return
        connector = self._connectors.get(told["function"])
        if connector is None or not connector.name.endswith(RUN_JOB):
            return
        request = request_of(connector, told["args"])
        if isinstance(request, str):
            return
        response = await self._send(request, caller, REQUEST_LIMIT)
        if response.status >= 400:  # refused when it was made, and so never started
            return
        if connector.is_document:
            await self._cancel(_execution_url(request.url, json.loads(response.body)), caller)
            return
        execution = json.loads(response.body)["metadata"]["name"]
        host = connector.url.partition("{}")[0]
        await self._cancel(f"{host}{execution}", caller)

    async def _stop_children(self, told: Mapping[str, Any], caller: Caller) -> None:
        wanted = children.requests_of(told["function"], told["args"], told["parent"])
        if isinstance(wanted, str):
            return
        for number, request in enumerate(wanted):
            own = Caller(principal=caller.principal, idempotency_key=f"{caller.idempotency_key}@{number}")
            response = await self._send(request, own, REQUEST_LIMIT)
            if response.status < 400:
                await self._cancel(children.URL + json.loads(response.body)["name"], caller)

    async def _cancel(self, url: str, caller: Caller) -> None:
        request = ConnectorRequest("POST", f"{url}:cancel", {})
        await self._send(request, Caller(principal=caller.principal), REQUEST_LIMIT)

    async def _send(self, request: ConnectorRequest, caller: Caller, limit: timedelta) -> HttpResponse:
        try:
            body = b"" if request.body is None else json.dumps(request.body).encode()
        except TypeError:
            raise InvalidArgument("The body of a connector call must not hold bytes.") from None
        headers = {"content-type": "application/json"} if body else {}
        call = Call(method=request.verb, url=request.url, headers=headers, body=body, timeout=limit)
        return await self._outgoing.send(call, caller)


def _execution_url(run: str, execution: Any) -> str:
    """Return the URL of an execution that the URL ``run`` of a job has started."""
    return f"{run.partition('/jobs/')[0]}/executions/{execution['metadata']['name']}"


def _completed(execution: Any) -> str:
    """Return the status of the condition that says whether an execution has ended: True, False or Unknown."""
    conditions = execution.get("status", {}).get("conditions", [])
    found = [condition["status"] for condition in conditions if condition["type"] == "Completed"]
    return found[0] if found else "Unknown"


def stop_message(caller: Caller, effect: Effect, parent: str) -> str:
    """Return the outbox payload that has what this effect started cancelled."""
    told = {
        "principal": caller.principal,
        "key": caller.idempotency_key,
        "function": effect.function,
        "args": effect.args,
        "parent": parent,
    }
    return json.dumps(told, default=_text_of_bytes)


def answer_of(response: HttpResponse) -> Any:
    """Return the JSON of a reply.

    Raises:
        Refused: ResponseTypeError, it is none.

    """
    try:
        return json.loads(response.body or b"null")
    except (ValueError, RecursionError):
        raise Refused(failure_map("ResponseTypeError", "the reply is not JSON")) from None


def _text_of_bytes(value: Any) -> str:
    assert isinstance(value, bytes), type(value)
    return value.decode("latin-1")


def _refused(response: HttpResponse) -> dict[str, Any]:
    result = result_of(response)
    body = result["body"]
    error = body.get("error", {}) if isinstance(body, dict) else {}
    told = error.get("message") if isinstance(error, dict) else None
    message = told or f"HTTP server responded with error code {response.status}"
    return failure_map("HttpError", message, **result)


def _without_type(response: Any) -> Any:
    if isinstance(response, dict):
        return {key: value for key, value in response.items() if key != "@type"}
    return response
