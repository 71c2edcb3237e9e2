"""The google.longrunning methods of each API: get, list, delete and wait (a long poll)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from jubako.core import names
from jubako.core.clock import Clock
from jubako.store.port import Store, Tx
from jubako.wire import operations
from jubako.wire.codec import invalid
from jubako.wire.google_types import (
    DeleteOperationRequest,
    Empty,
    GetOperationRequest,
    ListOperationsRequest,
    ListOperationsResponse,
    Operation,
    WaitOperationRequest,
)
from jubako.wire.method import Api, Caller, HttpRule, Method, Read
from jubako.wire.operations import Describers
from jubako.wire.paging import cut, page_of

WAIT_MAX = timedelta(minutes=5)
"""How long one wait may hold its connection; the client asks again."""
_FILTERS: Mapping[str, bool | None] = {
    "": None,
    **dict.fromkeys(("done:true", "done=true"), True),
    **dict.fromkeys(("done:false", "done=false"), False),
}
"""Source: Cloud Run Admin API v2, projects.locations.operations.list."""
_SERVICE = "google.longrunning.Operations"


@dataclass(frozen=True, slots=True)
class OperationsHandlers:
    """Answers for the operations of one API."""

    store: Store
    clock: Clock
    api: str
    describers: Describers
    outside: Callable[[], object] = lambda: None
    """What descriptions are made of beside rows."""

    @property
    def get(self) -> Read[GetOperationRequest, Operation]:
        """Returns an operation as it is now."""
        return Read(self.store, lambda tx, request: self._get(tx, request.name), self.outside)

    async def list(self, request: ListOperationsRequest, _caller: Caller) -> ListOperationsResponse:
        """Return a page of the operations of one location."""
        if request.filter not in _FILTERS:
            raise invalid("filter", "is neither 'done:true' nor 'done:false' nor empty.")
        names.LOCATION.parse(request.name)
        page = page_of(request.page_size, request.page_token)
        part = operations.Part(api=self.api, parent=request.name, done=_FILTERS[request.filter])
        found = await self.store.read(lambda tx: operations.find(tx, part, page, self.describers))
        shown, token = cut(found, page, lambda operation: operation.name)
        return ListOperationsResponse(operations=shown, next_page_token=token)

    async def delete(self, request: DeleteOperationRequest, _caller: Caller) -> Empty:
        """Forget a done operation."""

        def delete(tx: Tx) -> None:
            self._get(tx, request.name)
            operations.delete(tx, request.name)

        await self.store.write(delete)
        return Empty()

    async def wait(self, request: WaitOperationRequest, _caller: Caller) -> Operation:
        """Return the operation when it is done, or as it is when the time is over."""
        if request.timeout is not None and request.timeout < timedelta(0):
            raise invalid("timeout", "must not be negative.")
        timeout = WAIT_MAX if request.timeout is None else min(request.timeout, WAIT_MAX)
        deadline = self.clock.now() + timeout
        with self.store.watch(operations.topic(request.name)) as watch:
            while True:
                operation = await self.store.peek(lambda tx: self._get(tx, request.name))
                if operation.done or not await watch.wait_until(self.clock, deadline):
                    return operation

    def _get(self, tx: Tx, name: str) -> Operation:
        names.OPERATION.parse(name)
        return operations.get(tx, name, self.describers, self.api)


def operations_methods(api: str, version: str) -> tuple[Method, ...]:
    """Return the table; ``api`` begins the permissions (run.operations.get), ``version`` the paths."""
    one = f"/{version}/{{name=projects/*/locations/*/operations/*}}"
    many = f"/{version}/{{name=projects/*/locations/*}}/operations"
    rows: tuple[tuple[str, HttpRule, type, type, str], ...] = (
        ("GetOperation", HttpRule("GET", one), GetOperationRequest, Operation, "get"),
        ("ListOperations", HttpRule("GET", many), ListOperationsRequest, ListOperationsResponse, "list"),
        ("DeleteOperation", HttpRule("DELETE", one), DeleteOperationRequest, Empty, "delete"),
        ("WaitOperation", HttpRule("POST", one + ":wait", "*"), WaitOperationRequest, Operation, "get"),
    )
    return tuple(
        Method(
            name=f"{_SERVICE}.{name}",
            http=(rule,),
            request=request,
            response=response,
            permission=f"{api}.operations.{verb}",
        )
        for name, rule, request, response, verb in rows
    )


def operations_api(handlers: OperationsHandlers, version: str, hosts: Sequence[str]) -> Api:
    """Return the API that serves the operations of ``handlers.api`` under ``/VERSION/``."""
    return Api(
        name=f"{handlers.api}-operations",
        version=version,
        hosts=hosts,
        methods=operations_methods(handlers.api, version),
        handlers={
            f"{_SERVICE}.GetOperation": handlers.get,
            f"{_SERVICE}.ListOperations": handlers.list,
            f"{_SERVICE}.DeleteOperation": handlers.delete,
            f"{_SERVICE}.WaitOperation": handlers.wait,
        },
    )
