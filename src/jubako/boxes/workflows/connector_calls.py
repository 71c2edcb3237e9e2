"""Connector calls, one step at a time: the request, its retries, and the looks at what it started.

1. Every call has the effect's name as its idempotency key, so carrying it out again - after a crash, or because a
   reply was lost - starts nothing twice.
2. What waits is an `Errand`: a long-running operation, child executions, a failure that passes. `step` does what is due
   and returns either the outcome or the errand as it stands then.
3. GETs are retried by the idempotent policy, all others by the other one, as the service does.

Source: cloud.google.com/workflows/docs/connectors, "Retries", "Long-running operations", "Connector parameters".
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from jubako.boxes.workflows import children
from jubako.boxes.workflows.connectors import RUN_DOCUMENT, Connector, ConnectorRequest, request_of
from jubako.boxes.workflows.errands import Errand, Stage
from jubako.boxes.workflows.google_calls import GoogleCalls
from jubako.boxes.workflows.language import Effect, EffectDone, EffectFailed
from jubako.boxes.workflows.language.library.retries import (
    default_retry_predicate,
    default_retry_predicate_non_idempotent,
)
from jubako.boxes.workflows.messages import error_of, failure_map, result_of
from jubako.boxes.workflows.outgoing import Outgoing
from jubako.boxes.workflows.parameters import parameters_of
from jubako.boxes.workflows.seat import Outcome
from jubako.core.clock import Clock
from jubako.core.errors import InvalidArgument
from jubako.identity.google_credentials import NoGoogleToken
from jubako.wire import operations
from jubako.wire.egress import Call
from jubako.wire.google_discovery import DiscoveryFailed
from jubako.wire.http import HttpResponse
from jubako.wire.method import Caller
from jubako.wire.outbound import EgressError

REQUEST_LIMIT = timedelta(seconds=1800)
RETRIES_MAX = 5
FIRST_DELAY_S, DELAY_MAX_S, MULTIPLIER = 1.0, 60.0, 1.25
"""Source: cloud.google.com/workflows/docs/reference/stdlib/http/default_retry."""
_ACTIVE = frozenset({"ACTIVE", "QUEUED"})


class Refused(Exception):
    """A call ended with this error map."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class Missed(Refused):
    """A request failed in a way that passes."""


class ConnectorCalls:
    """See the module."""

    def __init__(
        self,
        outgoing: Outgoing,
        connectors: Mapping[str, Connector],
        clock: Clock,
        google: GoogleCalls | None = None,
    ) -> None:
        """``google`` makes the calls of services that ``connectors`` does not have; None: nobody does."""
        self._outgoing = outgoing
        self._google = google
        self._connectors = connectors
        self._clock = clock

    async def begin(self, effect: Effect, caller: Caller, parent: str) -> Outcome | Errand:
        """Carry out a CONNECTOR effect as far as that goes without waiting.

        Args:
            effect: The effect.
            caller: As whom, with the effect's key.
            parent: Full name of the execution that calls.

        Raises:
            InvalidArgument: The ``connector_params`` are none.

        """
        parameters = parameters_of(effect.args)
        errand = Errand.of(effect, caller, parent, parameters, self._clock.now())
        return await self.step(effect.name, errand)

    async def step(self, name: str, errand: Errand) -> Outcome | Errand:
        """Take the errand's next step; return the outcome of the effect ``name``, or the errand as it waits then."""
        try:
            found = await self._step(errand)
        except Missed as missed:
            again = self._clock.now() + timedelta(seconds=_pause(errand.misses))
            is_late = errand.stage is Stage.CALL and again >= errand.deadline
            if errand.misses == RETRIES_MAX or is_late:
                return EffectFailed(name, missed.error)
            return replace(errand, misses=errand.misses + 1, due=again)
        except Refused as refused:
            return EffectFailed(name, refused.error)
        return found if isinstance(found, Errand) else EffectDone(name, found)

    async def _step(self, errand: Errand) -> Any:
        """Return the value of the effect, or the errand.

        Raises:
            Refused: It has failed; Missed if it may be tried again.

        """
        match errand.stage:
            case Stage.CALL if errand.function in children.FUNCTIONS:
                return await self._start_children(errand)
            case Stage.CALL:
                return await self._call(errand)
            case Stage.OPERATION:
                return await self._look_at_operation(errand)
            case Stage.DOCUMENT:
                return await self._look_at_document(errand)
            case Stage.CHILDREN:
                return await self._look_at_children(errand)

    async def _call(self, errand: Errand) -> Any:
        connector = self._connectors.get(errand.function)
        if connector is None:
            return await self._call_google(errand)
        request = request_of(connector, errand.args)
        if isinstance(request, str):
            raise Refused(failure_map("ValueError", request))
        answer = await self._answer(request, errand.caller(), errand.deadline)
        if errand.skip_polling:
            return answer
        if connector.name == RUN_DOCUMENT:
            url = execution_url(request.url, answer)
            return self._seen_document(self._waiting(errand, Stage.DOCUMENT, [url]), answer)
        if connector.is_long_running:
            waiting = self._waiting(errand, Stage.OPERATION, [str(answer.get("name", ""))])
            return self._seen_operation(replace(waiting, topic=operations.topic(waiting.subjects[0])), answer)
        return answer

    async def _call_google(self, errand: Errand) -> Any:
        """Make the call of a connector that is not ours, and begin to wait if it began an operation."""
        if self._google is None:
            raise Refused(failure_map("SystemError", f"{errand.function} is not a connector of this server"))
        try:
            method = await self._google.method(errand.function)
            request = self._google.request(method, errand.args, errand.key)
        except DiscoveryFailed as failed:
            tag = "ConnectionFailedError" if failed.is_passing else "SystemError"
            raise (Missed if failed.is_passing else Refused)(failure_map(tag, str(failed))) from failed
        except ValueError as wrong:
            raise Refused(failure_map("ValueError", f"{errand.function}: {wrong}")) from wrong
        answer = await self._answer(await self._authorized(request), errand.plain_caller, errand.deadline)
        if errand.skip_polling:
            return answer
        try:
            url = method.operation_url(answer)
        except ValueError as wrong:
            raise Refused(failure_map("OperationError", str(wrong), operation=answer)) from wrong
        return (
            answer
            if url is None
            else self._seen_operation(self._waiting(errand, Stage.OPERATION, [url]), answer)
        )

    async def _authorized(self, request: ConnectorRequest) -> ConnectorRequest:
        assert self._google is not None
        try:
            return await self._google.authorized(request)
        except NoGoogleToken as error:
            raise Refused(failure_map("AuthError", str(error))) from error

    async def _look_at_operation(self, errand: Errand) -> Any:
        connector = self._connectors.get(errand.function)
        get = ConnectorRequest("GET", errand.subjects[0], None)
        if connector is not None:
            get = replace(get, url=connector.url.partition("{}")[0] + get.url)
        elif self._google is None:
            raise Refused(
                failure_map("SystemError", f"calls to Google are switched off; it goes on: {get.url}")
            )
        else:
            get = await self._authorized(get)
        return self._seen_operation(self._later(errand), await self._answer(get, errand.plain_caller))

    def _seen_operation(self, errand: Errand, operation: Any) -> Any:
        is_compute = "operationType" in operation
        if not (operation.get("done") or (is_compute and operation.get("status") == "DONE")):
            return self._in_time(errand, operation)
        if "error" in operation:
            message = operation["error"].get("message", "the operation failed")
            raise Refused(
                failure_map("OperationError", message, operation=operation, error=operation["error"])
            )
        return operation if is_compute else _without_type(operation.get("response"))

    async def _look_at_document(self, errand: Errand) -> Any:
        get = ConnectorRequest("GET", errand.subjects[0], None)
        return self._seen_document(self._later(errand), await self._answer(get, errand.plain_caller))

    def _seen_document(self, errand: Errand, execution: Any) -> Any:
        state = _completed(execution)
        if state == "True":
            return execution
        if state == "False":
            raise Refused(failure_map("OperationError", "the execution failed", operation=execution))
        return self._in_time(errand, execution)

    async def _start_children(self, errand: Errand) -> Any:
        """Start the child executions of a call; the answer is there when all have ended."""
        wanted = children.requests_of(errand.function, errand.args, errand.parent)
        if isinstance(wanted, str):
            raise Refused(failure_map("ValueError", wanted))
        names = [
            str((await self._answer(request, errand.caller(f"@{number}"), errand.deadline))["name"])
            for number, request in enumerate(wanted)
        ]
        if not names:
            return []
        return replace(self._waiting(errand, Stage.CHILDREN, names), topic=children.topic_of(names[0]))

    async def _look_at_children(self, errand: Errand) -> Any:
        """Look at the first child that is not known to have ended, and at those behind it."""
        for number, name in enumerate(errand.subjects[errand.ended :], start=errand.ended):
            child = await self._child(errand, name)
            if child["state"] in _ACTIVE:
                topic = children.topic_of(name)
                # A topic that was not listened to may have been woken already: look again at once.
                waiting = self._later(errand) if topic == errand.topic else replace(errand, topic=topic)
                return self._in_time(replace(waiting, ended=number), child)
        results = [children.result_of(await self._child(errand, name)) for name in errand.subjects]
        for result in results:
            if isinstance(result, children.ChildFailed):
                raise Refused(result.error)
        return results if errand.function == children.MAP else results[0]

    async def _child(self, errand: Errand, name: str) -> dict[str, Any]:
        get = ConnectorRequest("GET", children.URL + name, None)
        child: dict[str, Any] = await self._answer(get, errand.plain_caller)
        return child

    def _waiting(self, errand: Errand, stage: Stage, subjects: list[str]) -> Errand:
        """Return an errand whose call has been made; the first look, which is at once, misses no end."""
        return replace(
            errand, stage=stage, subjects=tuple(subjects), args={}, misses=0, due=self._clock.now()
        )

    def _later(self, errand: Errand) -> Errand:
        """Return an errand that looks again after its delay, the next time after a longer one."""
        due = min(self._clock.now() + timedelta(seconds=errand.delay), errand.deadline)
        delay = min(errand.delay * errand.multiplier, errand.max_delay)
        return replace(errand, due=due, delay=delay, misses=0)

    def _in_time(self, errand: Errand, operation: Any) -> Errand:
        """Return the errand, which waits for ``operation``.

        Raises:
            Refused: TimeoutError.

        """
        if self._clock.now() < errand.deadline:
            return errand
        name = errand.subjects[errand.ended]
        problem = f"{errand.function} did not end in time; it goes on: {name}"
        raise Refused(failure_map("TimeoutError", problem, operation=operation))

    async def _answer(
        self, request: ConnectorRequest, caller: Caller, deadline: datetime | None = None
    ) -> Any:
        """Return the JSON of the reply to a request.

        Raises:
            Refused: It failed, or the reply is no JSON; Missed if it may be sent again.

        """
        limit = REQUEST_LIMIT if deadline is None else min(REQUEST_LIMIT, deadline - self._clock.now())
        try:
            response = await self.send(request, caller, max(limit, timedelta(seconds=1)))
        except (EgressError, InvalidArgument) as error:
            raise _failure(request, error_of(error)) from error
        if response.status >= 400:
            raise _failure(request, _refused(response))
        try:
            return json.loads(response.body or b"null")
        except (ValueError, RecursionError):
            raise Refused(failure_map("ResponseTypeError", "the reply is not JSON")) from None

    async def send(self, request: ConnectorRequest, caller: Caller, limit: timedelta) -> HttpResponse:
        """Send one request, whatever comes back.

        Raises:
            EgressError: No reply came.
            InvalidArgument: The body holds bytes.

        """
        try:
            body = b"" if request.body is None else json.dumps(request.body).encode()
        except TypeError:
            raise InvalidArgument("The body of a connector call must not hold bytes.") from None
        headers = {**request.headers, **({"content-type": "application/json"} if body else {})}
        call = Call(method=request.verb, url=request.url, headers=headers, body=body, timeout=limit)
        return await self._outgoing.send(call, caller)


def execution_url(run: str, execution: Any) -> str:
    """Return the URL of an execution that the URL ``run`` of a job has started."""
    return f"{run.partition('/jobs/')[0]}/executions/{execution['metadata']['name']}"


def _failure(request: ConnectorRequest, error: dict[str, Any]) -> Refused:
    may_pass = default_retry_predicate if request.verb == "GET" else default_retry_predicate_non_idempotent
    return Missed(error) if may_pass(error) else Refused(error)


def _pause(misses: int) -> float:
    return min(FIRST_DELAY_S * MULTIPLIER**misses, DELAY_MAX_S)


def _completed(execution: Any) -> str:
    """Return the status of the condition that says whether an execution has ended: True, False or Unknown."""
    conditions = execution.get("status", {}).get("conditions", [])
    found = [condition["status"] for condition in conditions if condition["type"] == "Completed"]
    return found[0] if found else "Unknown"


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
