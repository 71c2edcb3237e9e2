"""The method table: what one API method is called, where it lives over HTTP, what it takes and gives.

REST transcoding, gRPC, discovery and authorisation are all read from these rows, so adding a method is
adding a row.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from jubako.store.port import Store, Tx
from jubako.wire.body import BODY_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as every handler is told."""

    principal: str
    """``user:...``, ``serviceAccount:...`` or ``user:local`` (no authentication, loopback only)."""
    idempotency_key: str | None = None
    """The ``Idempotency-Key`` header of this call, if any."""
    idempotency_owner: str = ""
    """Whose life the key has (see wire/idempotency.py); only calls made inside of this server have one."""


@dataclass(frozen=True, slots=True)
class HttpRule:
    """A google.api.http rule.

    ``path`` is such as ``/v2/{name=projects/*/locations/*/jobs/*}:run``; ``body`` is ``*``, a field
    name, or empty.
    """

    verb: str
    path: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class LongRunning:
    """The types that a long-running method's operation carries."""

    response: type
    metadata: type


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One row of the table."""

    name: str
    """Full gRPC name, such as ``google.cloud.run.v2.Jobs.RunJob``."""
    http: Sequence[HttpRule]
    request: type
    response: type
    permission: str
    """IAM permission, such as ``run.jobs.run``; "" never matches anybody (deny by default)."""
    long_running: LongRunning | None = None
    is_stream: bool = False
    """Whether requests and responses are streams, which gRPC alone carries: the handler answers the first request with
    an async generator of responses."""
    body_max: int = BODY_MAX
    """Bytes that a request may have, over HTTP and over gRPC."""


Handler = Callable[[Any, Caller], Awaitable[Any]]
"""``await handler(request, caller)`` returns the method's response, or raises a JubakoError."""


Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


@dataclass(frozen=True, slots=True)
class Read(Generic[Asked, Answered]):
    """A handler that does nothing but find a few rows by their keys.

    Its answer is made of the request, those rows and what is ``outside`` of the store, and nothing else; so one that
    was given is given again as long as these are the same (wire/answers.py).
    """

    store: Store
    find: Callable[[Tx, Asked], Answered]
    """``find(tx, request)`` returns the method's response, or raises a JubakoError."""
    outside: Callable[[], object] = lambda: None
    """Returns what else the answers are made of."""

    async def __call__(self, request: Asked, caller: Caller) -> Answered:
        """See Handler."""
        del caller
        return await self.store.peek(lambda tx: self.find(tx, request))


Resources = Callable[[Any], Sequence[str]]
"""``resources(request)`` returns the names of the resources that a request is about."""

Document: TypeAlias = dict[str, Any]
"""One JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRequest:
    """One request, decoded."""

    variables: Mapping[str, str]
    """Of the template."""
    query: Mapping[str, str]
    """The last value of each parameter."""
    body: Document
    """{} if there is none."""
    location: str | None
    """What the host name says: None for a name without a region, and for loopback."""
    agent: str = ""
    """The User-Agent header."""


DocumentHandler = Callable[[DocumentRequest, Caller], Awaitable[Document]]
"""``await handler(request, caller)`` returns the reply, or raises a JubakoError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRoute:
    """One route of JSON documents without a schema: see wire/documents.py."""

    verb: str
    template: str
    permission: str
    """As in the method table: "" lets nobody in."""
    handler: DocumentHandler


def document_routes(table: Iterable[tuple[str, str, str, DocumentHandler]]) -> list[DocumentRoute]:
    """Return the routes of a table of verb, template, permission and handler."""
    return [
        DocumentRoute(verb=verb, template=template, permission=permission, handler=handler)
        for verb, template, permission, handler in table
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One Google API: its methods and what answers them."""

    name: str
    """Such as ``run``."""
    version: str
    hosts: Sequence[str]
    """Names under which Google serves it, such as ``run.googleapis.com``; the regional form counts too."""
    methods: Sequence[Method]
    handlers: Mapping[str, Handler]
    """By full method name; a method without one answers UNIMPLEMENTED."""
    resources: Mapping[str, Resources] = field(default_factory=dict)
    """By full method name: what a request is about whose path names no resource."""
    documents: Sequence[DocumentRoute] = ()
    """Its routes without a schema (wire/documents.py)."""
