"""Calling a method whatever transport brought the request: authorisation, handler, check of the answer."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from jubako.core.errors import PermissionDenied, Unimplemented
from jubako.wire.method import Api, Caller, Handler, Method, Resources
from jubako.wire.schema import Message


class Access(Protocol):
    """Says who may do what."""

    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        """Return if ``caller`` has ``permission``, such as ``run.jobs.run``, on ``resource``.

        Raises:
            PermissionDenied: The caller may not.

        """
        ...


class Dispatch:
    """Calls the methods of any number of APIs."""

    def __init__(self, apis: Iterable[Api], access: Access) -> None:
        self._access = access
        handlers: dict[int, Handler] = {}
        resources: dict[int, Resources] = {}
        for api in apis:
            unknown = api.handlers.keys() - {method.name for method in api.methods}
            assert not unknown, (
                f"{api.name} {api.version} has handlers for methods it does not have: {unknown}"
            )
            for method in api.methods:
                if method.name in api.handlers:
                    # By identity: the operations methods have one name in several APIs.
                    handlers[id(method)] = api.handlers[method.name]
                if method.name in api.resources:
                    resources[id(method)] = api.resources[method.name]
        self._handlers: Mapping[int, Handler] = handlers
        self._resources: Mapping[int, Resources] = resources

    def answers(self, method: Method) -> bool:
        """Return whether ``method`` is implemented; ``call`` refuses the others by name."""
        return id(method) in self._handlers

    async def authorise(self, method: Method, caller: Caller, resource: str) -> None:
        """Return if ``caller`` may call ``method`` on ``resource``; over HTTP before the body is even read.

        Raises:
            PermissionDenied: The caller may not, or the method has no permission and so nobody may.

        """
        if not method.permission:
            raise PermissionDenied(f"{method.name} is open to nobody.")
        if id(method) not in self._resources:
            await self._access.check(method.permission, caller, resource)

    async def call(self, method: Method, request: Message, caller: Caller) -> Message:
        """Return the response of ``method``; ``authorise`` has passed.

        Raises:
            JubakoError: Whatever the handler raised.
            Unimplemented: Nothing answers this method here.

        """
        handler = self._handlers.get(id(method))
        if handler is None:
            raise Unimplemented(f"{method.name} is not implemented.")
        resources = self._resources.get(id(method))
        for resource in resources(request) or [""] if resources else ():
            await self._access.check(method.permission, caller, resource)
        response = await handler(request, caller)
        assert isinstance(response, method.response), f"{method.name} answered {type(response).__name__}"
        assert isinstance(response, Message)
        return response
