"""Cancelling what a connector call started, when its execution ends before it.

The call is repeated under its own key, which tells what it started: the call may have been made without anybody
learning its answer. One that was never made starts now, and is cancelled at once.
"""

import json
from collections.abc import Mapping
from typing import Any

from jubako.boxes.workflows import children
from jubako.boxes.workflows.connector_calls import REQUEST_LIMIT, ConnectorCalls, execution_url
from jubako.boxes.workflows.connectors import Connector, ConnectorRequest, request_of
from jubako.boxes.workflows.language import Effect
from jubako.store.outbox import Message
from jubako.wire.method import Caller

RUN_JOB = "jobs.run"


class ConnectorStops:
    """See the module."""

    def __init__(self, calls: ConnectorCalls, connectors: Mapping[str, Connector]) -> None:
        self._calls = calls
        self._connectors = connectors

    async def stop(self, message: Message) -> None:
        """Outbox delivery: cancel what a connector call started."""
        told = json.loads(message.payload)
        if told["function"] in children.FUNCTIONS:
            await self._stop_children(told)
            return
        connector = self._connectors.get(told["function"])
        if connector is None or not connector.name.endswith(RUN_JOB):
            return
        request = request_of(connector, told["args"])
        if isinstance(request, str):
            return
        response = await self._calls.send(request, _caller(told), REQUEST_LIMIT)
        if response.status >= 400:  # refused when it was made, and so never started
            return
        if connector.is_document:
            await self._cancel(execution_url(request.url, json.loads(response.body)), told)
            return
        execution = json.loads(response.body)["metadata"]["name"]
        await self._cancel(f"{connector.url.partition('{}')[0]}{execution}", told)

    async def _stop_children(self, told: Mapping[str, Any]) -> None:
        wanted = children.requests_of(told["function"], told["args"], told["parent"])
        if isinstance(wanted, str):
            return
        for number, request in enumerate(wanted):
            response = await self._calls.send(request, _caller(told, f"@{number}"), REQUEST_LIMIT)
            if response.status < 400:
                await self._cancel(children.URL + json.loads(response.body)["name"], told)

    async def _cancel(self, url: str, told: Mapping[str, Any]) -> None:
        request = ConnectorRequest("POST", f"{url}:cancel", {})
        await self._calls.send(request, Caller(principal=told["principal"]), REQUEST_LIMIT)


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


def _caller(told: Mapping[str, Any], part: str = "") -> Caller:
    return Caller(principal=told["principal"], idempotency_key=told["key"] + part)


def _text_of_bytes(value: Any) -> str:
    assert isinstance(value, bytes), type(value)
    return value.decode("latin-1")
