"""The HTTP side of callbacks: ``EXECUTION/callbacks/ID`` takes a request, ``EXECUTION/callbacks`` lists endpoints.

Source: workflowexecutions.googleapis.com, discovery document v1, ``projects.locations.workflows.executions.callbacks``;
cloud.google.com/workflows/docs/creating-callback-endpoints.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from jubako.boxes.workflows import callback_rows, execution_rows
from jubako.boxes.workflows.language.limits import MEMORY_BYTES_MAX
from jubako.boxes.workflows.messages import canonical, parsed_body
from jubako.boxes.workflows.step_entry_routes import EXECUTION
from jubako.core.clock import Clock
from jubako.core.errors import FailedPrecondition, InvalidArgument
from jubako.core.names import WORKFLOW_EXECUTION
from jubako.core.timestamps import format_timestamp
from jubako.store.port import Store, Tx
from jubako.wire.errors import JSON_TYPE, error_response
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller, Document, DocumentRequest, DocumentRoute, document_routes
from jubako.wire.paging import cut, page_of

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_HIDDEN = frozenset({"authorization", "cookie", "x-serverless-authorization"})
"""Headers that a workflow does not get to see: it may log what it receives."""


class CallbackRoutes:
    """Serves the routes above."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def routes(self) -> list[Extra]:
        """Return the routes that take a callback, whatever HTTP request it is."""
        return [
            Extra(
                verb=verb,
                template=f"{EXECUTION}/callbacks/{{callback=*}}",
                permission="workflows.callbacks.send",
                handler=self.receive,
            )
            for verb in METHODS
        ]

    def documents(self) -> list[DocumentRoute]:
        """Return the route that lists endpoints."""
        template = f"{EXECUTION.replace('{name=', '{parent=')}/callbacks"
        return document_routes([("GET", template, "workflows.callbacks.list", self.list)])

    async def receive(
        self,
        request: HttpRequest,
        variables: Mapping[str, str],
        caller: Caller,  # noqa: ARG002
    ) -> HttpResponse:
        """Take a callback; it is durable when this returns."""
        if len(request.body) > MEMORY_BYTES_MAX // 2:
            raise InvalidArgument(f"The body is larger than {MEMORY_BYTES_MAX // 2} bytes.")
        payload = callback_rows.request_outcome(self._value(request))
        wanted = await self._store.write(
            partial(
                _receive,
                name=variables["name"],
                callback=variables["callback"],
                request=(request.method, payload),
            )
        )
        if wanted != request.method:
            refusal = error_response(FailedPrecondition(f"This callback takes {wanted}."), 405)
            return HttpResponse(status=405, headers={**refusal.headers, "allow": wanted}, body=refusal.body)
        return HttpResponse(status=200, headers={"content-type": JSON_TYPE}, body=b"{}")

    async def list(self, request: DocumentRequest, caller: Caller) -> Document:  # noqa: ARG002
        """Return a page of endpoints: ``{"callbacks": [{name, method, availablePayloads, waiters}]}``."""
        size = request.query.get("pageSize", "0")
        token = request.query.get("pageToken", "")
        page = page_of(int(size) if size.isdigit() and len(size) < 9 else -1, token)
        name = request.variables["parent"]

        def read(tx: Tx) -> list[tuple[str, str, bool, int]]:
            execution_rows.find_execution(tx, name)
            return callback_rows.listed(
                tx, WORKFLOW_EXECUTION.parse(name)["execution"], page.after, page.size + 1
            )

        shown, token = cut(await self._store.read(read), page, lambda row: row[0])
        told: Document = {
            "callbacks": [
                {
                    "name": f"{name}/callbacks/{callback}",
                    "method": method,
                    "availablePayloads": ["HTTP"] if kept else [],
                    "waiters": str(waiters),
                }
                for callback, method, kept, waiters in shown
            ]
        }
        return {**told, "nextPageToken": token} if token else told

    def _value(self, request: HttpRequest) -> dict[str, Any]:
        """Return what ``events.await_callback`` returns for this request."""
        return {
            "http_request": {
                "body": parsed_body(request.headers, request.body) if request.body else None,
                "headers": {
                    canonical(name): value for name, value in request.headers.items() if name not in _HIDDEN
                },
                "method": request.method,
                "query": dict(parse_qsl(request.query, keep_blank_values=True)),
                "url": request.path,
            },
            "received_time": format_timestamp(self._clock.now()),
            "type": "HTTP",
        }


def _receive(tx: Tx, name: str, callback: str, request: tuple[str, str]) -> str:
    """Return the endpoint's method; the request is taken if it has that method."""
    method, payload = request
    execution_rows.find_execution(tx, name)
    execution = WORKFLOW_EXECUTION.parse(name)["execution"]
    wanted = callback_rows.method_of(tx, execution, callback)
    if wanted == method:
        callback_rows.receive(tx, execution, callback, payload)
    return wanted
