"""Google's discovery documents: how a method of an API that is not played here is called over HTTP.

1. A document is fetched when a method of its API is first needed, and kept for a day; only the methods are kept of it.
2. Which calls begin a long-running operation is read from the schema of their answers. There are two kinds: those of
   google.longrunning, found by their name, and those of Compute Engine's family, found by their own link.

Source: developers.google.com/discovery/v1/reference/apis; the addresses in documents are templates of RFC 6570.
"""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from jubako.core.clock import Clock
from jubako.wire.outbound import EgressError, Outbound, parse_url

ADDRESS = "https://{service}.googleapis.com/$discovery/rest?version={version}"
DOCUMENT_BYTES_MAX = 32 * 2**20
"""Compute Engine's is the largest, with about 6 MB."""
PATIENCE = timedelta(seconds=30)
KEPT_FOR = timedelta(days=1)
KEPT_MAX = 32
_API = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
_VERSION = re.compile(r"[a-z0-9][a-z0-9_.]{0,30}\Z")
_VARIABLE = re.compile(r"\{(\+?)([\w.-]+)\*?\}")
_NAMED, _LINKED = frozenset({"name", "done", "response"}), frozenset({"selfLink", "status", "operationType"})


class DiscoveryFailed(Exception):
    """A method cannot be looked up; ``is_passing``: it may be found later."""

    def __init__(self, message: str, *, is_passing: bool = False) -> None:
        super().__init__(message)
        self.is_passing = is_passing


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleMethod:
    """One method; ``str()`` of a ValueError that it raises is a sentence for whoever calls it."""

    verb: str
    root: str
    """Such as ``https://bigquery.googleapis.com/``."""
    path: str
    """Template of what follows the root, such as ``bigquery/v2/projects/{+projectId}/queries``."""
    version: str
    parameters: Mapping[str, str]
    """Name to place (``path`` or ``query``), those of all methods of the API included."""
    operation: frozenset[str]
    """Fields of the operation that its answer is; empty if it is none."""

    def url(self, args: Mapping[str, Any]) -> str:
        """Return the address of a call.

        Raises:
            ValueError: An argument is missing, unknown, or no text, number or boolean.

        """
        unknown = sorted(args.keys() - self.parameters.keys())
        if unknown:
            known = ", ".join(sorted(name for name in self.parameters if not name.startswith("$")))
            raise ValueError(f"no argument {unknown[0]}; known: body, {known}")
        path = _VARIABLE.sub(lambda match: _expanded(match, args), self.path)
        query = [
            (name, _text(name, item))
            for name, value in args.items()
            if self.parameters[name] == "query" and value is not None
            for item in (value if isinstance(value, list) else [value])
        ]
        return self.root + path + (f"?{urlencode(query)}" if query else "")

    def operation_url(self, answer: Any) -> str | None:  # noqa: ANN401 - any JSON value
        """Return where the operation that was answered can be looked at; None if the answer is none.

        Raises:
            ValueError: The operation has no address, or one on another host: credentials must not go there.

        """
        if not self.operation or not isinstance(answer, dict):
            return None
        if self.operation == _NAMED:
            return f"{self.root}{self.version}/{quote(str(answer.get('name', '')), safe='/-_.~')}"
        link = str(answer.get("selfLink", ""))
        try:
            host, scheme = parse_url(link).host, parse_url(link).scheme
        except EgressError as error:
            raise ValueError(f"the operation has no address: {error}") from error
        own = parse_url(self.root)
        if (scheme, host) != (own.scheme, own.host) and not (
            scheme == "https" and host.endswith(".googleapis.com")
        ):
            raise ValueError(f"the operation is at {host}, which is not Google's")
        return link


def _expanded(match: re.Match[str], args: Mapping[str, Any]) -> str:
    name = match[2]
    if args.get(name) is None:
        raise ValueError(f"needs the argument {name}")
    return quote(_text(name, args[name]), safe="/-_.~:@" if match[1] else "-_.~")


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"argument {name} must be a string, a number or a boolean")


@dataclass(slots=True)
class _Kept:
    methods: Mapping[str, GoogleMethod] = field(default_factory=dict)
    until: datetime | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Discovery:
    """Looks methods up; ``address`` is where documents are, with ``{service}`` and ``{version}``."""

    def __init__(self, outbound: Outbound, clock: Clock, address: str = ADDRESS) -> None:
        self._outbound = outbound
        self._clock = clock
        self._address = address
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def method(self, name: str) -> GoogleMethod:
        """Return a method by its full name, ``googleapis.SERVICE.VERSION.COLLECTION.METHOD``.

        Raises:
            DiscoveryFailed: There is none, or the document cannot be had.

        """
        parts = name.split(".", 3)
        if len(parts) < 4 or not _API.match(parts[1]) or not _VERSION.match(parts[2]):
            raise DiscoveryFailed(f"{name} does not name a method of an API")
        methods = await self._methods(parts[1], parts[2])
        found = methods.get(parts[3])
        if found is None:
            near = [other for other in methods if other.rpartition(".")[0] == parts[3].rpartition(".")[0]]
            shown = ", ".join(sorted(near or methods)[:20])
            raise DiscoveryFailed(f"{parts[1]} {parts[2]} has no method {parts[3]}; it has {shown}")
        return found

    async def _methods(self, service: str, version: str) -> Mapping[str, GoogleMethod]:
        kept = self._kept.setdefault((service, version), _Kept())
        async with kept.lock:
            if kept.until is None or kept.until <= self._clock.now():
                try:
                    document = await self._document(service, version)
                    kept.methods = await asyncio.to_thread(_methods_of, document, version)
                except BaseException:
                    self._kept.pop((service, version), None)
                    raise
                kept.until = self._clock.now() + KEPT_FOR
        self._kept[service, version] = kept
        self._kept.move_to_end((service, version))
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return kept.methods

    async def _document(self, service: str, version: str) -> bytes:
        url = self._address.replace("{service}", service).replace("{version}", version)
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                reply = await self._outbound.send("GET", parse_url(url), {}, b"", DOCUMENT_BYTES_MAX)
        except (EgressError, TimeoutError) as error:
            told = str(error) or "it took too long"
            raise DiscoveryFailed(
                f"{service} {version} cannot be looked up: {told}", is_passing=True
            ) from error
        if reply.status in {400, 404}:
            raise DiscoveryFailed(f"Google has no API {service} {version}")
        if reply.status != 200:
            raise DiscoveryFailed(f"{url} answered with status {reply.status}", is_passing=True)
        return reply.body


def _methods_of(document: bytes, version: str) -> Mapping[str, GoogleMethod]:
    try:
        told = json.loads(document)
        return dict(_methods_in(told, "", told, version))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DiscoveryFailed(f"the discovery document is unreadable: {error!r}", is_passing=True) from error


def _methods_in(
    part: Mapping[str, Any], prefix: str, document: Mapping[str, Any], version: str
) -> Iterator[tuple[str, GoogleMethod]]:
    for name, method in part.get("methods", {}).items():
        yield prefix + name, _method(method, document, version)
    for name, inner in part.get("resources", {}).items():
        yield from _methods_in(inner, f"{prefix}{name}.", document, version)


def _method(method: Mapping[str, Any], document: Mapping[str, Any], version: str) -> GoogleMethod:
    parameters = {**document.get("parameters", {}), **method.get("parameters", {})}
    answer = document.get("schemas", {}).get(method.get("response", {}).get("$ref", ""), {})
    fields = frozenset(answer.get("properties", ()))
    return GoogleMethod(
        verb=method["httpMethod"],
        root=document["rootUrl"],
        path=document.get("servicePath", "") + method["path"],
        version=version,
        parameters={name: rules.get("location", "query") for name, rules in parameters.items()},
        operation=next((kind for kind in (_NAMED, _LINKED) if kind <= fields), frozenset()),
    )
