"""Methods of Workflow Executions v1 that Google has over REST only: they are not in its proto.

Source: workflowexecutions.googleapis.com v1, discovery document: exportData, deleteExecutionHistory,
triggerPubsubExecution. The event that a workflow is given: cloud.google.com/workflows/docs/trigger-workflow-eventarc.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from jubako.boxes.workflows import history_rows
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.resources import CreateExecutionRequest, Execution
from jubako.boxes.workflows.step_entry_routes import EXECUTION
from jubako.core.timestamps import format_timestamp, from_micros
from jubako.store.port import Store, Tx
from jubako.wire import codec
from jubako.wire.codec import invalid
from jubako.wire.method import Caller, Document, DocumentRequest, DocumentRoute, document_routes

BINDING_MODE = "CE_PUBSUB_BINDING"
"""The message is an event: its attributes carry what an event has beside its data."""
PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
_TOPIC_MODE = "CUSTOM_PUBSUB_"


class ExecutionDocuments:
    """Serves them."""

    def __init__(self, store: Store, executions: Executions) -> None:
        self._store = store
        self._executions = executions

    def routes(self) -> list[DocumentRoute]:
        """Return the routes."""
        workflow = "/v1/{workflow=projects/*/locations/*/workflows/*}"
        return document_routes(
            [
                ("GET", f"{EXECUTION}:exportData", "workflows.executions.get", self.export_data),
                (
                    "POST",
                    f"{EXECUTION}:deleteExecutionHistory",
                    "workflows.stepEntries.delete",
                    self.delete_history,
                ),
                ("POST", f"{workflow}:triggerPubsubExecution", "workflows.executions.create", self.trigger),
            ]
        )

    async def export_data(self, request: DocumentRequest, caller: Caller) -> Document:  # noqa: ARG002
        """Return what is stored about an execution and is not told by other methods: its journal."""
        name = request.variables["name"]
        data = await self._store.read(lambda tx: _export(tx, name))
        return {"data": json.dumps(data, ensure_ascii=False)}

    async def delete_history(self, request: DocumentRequest, caller: Caller) -> Document:  # noqa: ARG002
        """Delete the step entries of an execution that has ended."""
        name = request.variables["name"]
        await self._store.write(lambda tx: history_rows.delete_history(tx, name))
        return {}

    async def trigger(self, request: DocumentRequest, caller: Caller) -> Document:
        """Start an execution for a message of Pub/Sub; the same message again gives the same execution."""
        message, subscription = request.body.get("message"), request.body.get("subscription")
        if not isinstance(message, dict):
            raise invalid("message", "must be a message of Pub/Sub.")
        if not isinstance(subscription, str) or not subscription:
            raise invalid("subscription", "must be the subscription's name.")
        mode = str(request.body.get("GCPCloudEventsMode") or "")
        event = _bound(message) if mode == BINDING_MODE else _published(message, subscription, mode)
        key = f"{subscription} {message['messageId']}" if message.get("messageId") else None
        execution = await self._executions.create(
            CreateExecutionRequest(
                parent=request.variables["workflow"],
                execution=Execution(argument=json.dumps(event, ensure_ascii=False)),
            ),
            Caller(principal=caller.principal, idempotency_key=key),
        )
        return msgspec.json.decode(codec.encode(execution), type=dict[str, Any])


def _export(tx: Tx, name: str) -> Mapping[str, Any]:
    told = history_rows.execution_history(tx, name, 0)
    return {
        "execution": msgspec.json.decode(codec.encode(told.execution)),
        "sourceContents": told.workflow.source_contents,
        "journal": [
            {"time": format_timestamp(from_micros(time)), "outcome": json.loads(outcome)}
            for time, outcome in told.outcomes
        ],
    }


def _published(message: Document, subscription: str, mode: str) -> Document:
    """Return the event that says: this message was published."""
    topic = mode.removeprefix(_TOPIC_MODE) if mode.startswith(_TOPIC_MODE) else ""
    return {
        "specversion": "1.0",
        "id": str(message.get("messageId", "")),
        "source": f"//pubsub.googleapis.com/{topic or subscription}",
        "type": PUBLISHED,
        "datacontenttype": "application/json",
        "time": message.get("publishTime"),
        "data": {"subscription": subscription, "message": message},
    }


def _bound(message: Document) -> Document:
    """Return the event that a message carries: ``ce-`` attributes, and the data as JSON or text."""
    attributes = message.get("attributes") or {}
    if not isinstance(attributes, dict) or not attributes.get("ce-type"):
        raise invalid("message.attributes", "must hold the attributes of an event, ce-type among them.")
    event: Document = {
        name.removeprefix("ce-"): value for name, value in attributes.items() if name.startswith("ce-")
    }
    event["datacontenttype"] = attributes.get("Content-Type", "application/json")
    try:
        text = b64decode(str(message.get("data") or ""), validate=True).decode()
    except ValueError:
        raise invalid("message.data", "must be base64 of UTF-8 text.") from None
    try:
        event["data"] = json.loads(text) if text else None
    except (ValueError, RecursionError):
        event["data"] = text
    return event
