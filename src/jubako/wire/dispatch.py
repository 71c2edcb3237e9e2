"""Calling a method whatever transport brought the request: authorisation, handler, check of the answer."""

from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from jubako.core.errors import PermissionDenied, Unimplemented
from jubako.store.readings import noted
from jubako.wire.answers import Answer, Answers
from jubako.wire.method import Api, Caller, Handler, Method, Read, Resources
from jubako.wire.schema import Message


class Access(Protocol):
    """Says who may do what."""

    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        """Return if ``caller`` has ``permission``, such as ``run.jobs.run``, on ``resource``.

        Raises:
            PermissionDenied: The caller may not.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One call of a method, as a transport took it in."""

    asked: Hashable
    """Tells it from all that may be answered differently."""
    method: Method
    resource: str
    """What it is about; see ``authorise``."""
    request: Message
    encode: Callable[[Message], bytes]


class Dispatch:
    """Calls the methods of any number of APIs."""

    def __init__(self, apis: Iterable[Api], access: Access) -> None:
        self._access = access
        self._answers = Answers()
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
        handler = await self._handler(method, request, caller)
        return _checked(method, await handler(request, caller))

    async def stream(self, method: Method, request: Message, caller: Caller) -> AsyncGenerator[Message, None]:
        """Return the responses of a method whose responses are a stream; else as ``call``."""
        handler = await self._handler(method, request, caller)
        responses: AsyncGenerator[Message, None] = await handler(request, caller)
        return responses

    async def _handler(self, method: Method, request: Message, caller: Caller) -> Handler:
        """Return what answers a request that says itself on what the permission is asked."""
        handler = self._handlers.get(id(method))
        if handler is None:
            raise Unimplemented(f"{method.name} is not implemented.")
        resources = self._resources.get(id(method))
        for resource in resources(request) or [""] if resources else ():
            await self._access.check(method.permission, caller, resource)
        return handler

    async def answer(self, question: Question, caller: Caller) -> bytes:
        """Do what ``call`` does, and return the response encoded; it is kept if its method only reads."""
        method, handler = question.method, self._handlers.get(id(question.method))
        if not isinstance(handler, Read) or not handler.store.is_at_hand:
            return question.encode(await self.call(method, question.request, caller))
        outside = handler.outside()
        response, queries = handler.store.glance(
            lambda tx: noted(tx, lambda reading: handler.find(reading, question.request))
        )
        body = question.encode(_checked(method, response))
        if queries is not None:
            answer = Answer(
                method=method,
                resource=question.resource,
                body=body,
                read=handler,
                queries=queries,
                outside=outside,
            )
            self._answers.keep(question.asked, answer)
        return body

    def known(self, asked: Hashable) -> Answer | None:
        """Return the answer that was given to this before; whether it still is right, ``again`` says."""
        return self._answers.find(asked)

    def again(self, asked: Hashable) -> bytes | None:
        """Return the answer to a question that was answered before, if it is the same now; ``authorise`` has passed."""
        known = self._answers.find(asked)
        if known is None:
            return None
        if known.is_right():
            return known.body
        self._answers.drop(asked)
        return None


def _checked(method: Method, response: object) -> Message:
    assert isinstance(response, method.response), f"{method.name} answered {type(response).__name__}"
    assert isinstance(response, Message)
    return response
