"""Connectors by the general rule: ``googleapis.<service>.<version>.<collections>.<method>``.

They are read from the method tables of the APIs that this server answers, so an API that is added is a connector
that is added. A call is an HTTP request to Google's own name for the API.
Source: cloud.google.com/workflows/docs/reference/googleapis, "Understand connectors".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from jubako.boxes.workflows.language.values import scalar_text
from jubako.wire.method import Api
from jubako.wire.shape import camel

_VARIABLE = re.compile(r"\{([\w.]+)=([^}]*)\}")
_STANDARD = {"POST": "create", "GET": "get", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}
_PARAMETERS = "connector_params"
_LOCATION = re.compile(r"[a-z]+(-[a-z]+)+[0-9]+\Z")
_DOCUMENT = re.compile(r"(/apis/[\w.]+/(v\w+)/)namespaces/\{\w+\}/(\w+)(/\{\w+\})?(?::(\w+))?\Z")
_DOCUMENT_VERBS = {
    ("GET", False): "list",
    ("POST", False): "create",
    ("GET", True): "get",
    ("PUT", True): "replace",
    ("DELETE", True): "delete",
}
RUN_DOCUMENT = "googleapis.run.v1.namespaces.jobs.run"
"""Starts an execution of a job and waits for its end."""
RUN_WORKFLOW = "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run"
"""A helper beside the methods: it starts a child workflow and waits for its result (children.py)."""


@dataclass(frozen=True, slots=True)
class Connector:
    """One callable connector."""

    name: str
    verb: str
    url: str
    """With ``{}`` in the place of the resource name."""
    resource: str
    """The argument with the resource name, such as ``name``, ``parent`` or ``logName``; empty if there is none."""
    is_long_running: bool
    version: str
    is_document: bool = False
    """Whether it is one of the Kubernetes-shaped methods (run v1), whose region is the argument ``location``."""


@dataclass(frozen=True, slots=True)
class ConnectorRequest:
    """The HTTP request of one connector call."""

    verb: str
    url: str
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


def connectors(apis: Sequence[Api]) -> Mapping[str, Connector]:
    """Return the connectors of ``apis`` by name."""
    found = {}
    for api in apis:
        for method in api.methods:
            for rule in method.http:
                is_long_running = method.long_running is not None
                connector = _connector(api, rule.verb, rule.path, is_long_running=is_long_running)
                if connector is not None:
                    found[connector.name] = connector
        found |= _documents(api)
    if any(name.rpartition(".")[0] == RUN_WORKFLOW.rpartition(".")[0] for name in found):
        found[RUN_WORKFLOW] = Connector(
            name=RUN_WORKFLOW, verb="POST", url="", resource="", is_long_running=True, version="v1"
        )
    return found


def request_of(connector: Connector, args: Mapping[str, Any]) -> ConnectorRequest | str:
    """Return the request for a call with ``args``, or a sentence that says what is wrong with them."""
    resource = args.get(connector.resource, "")
    if connector.resource and not (isinstance(resource, str) and resource):
        return f"{connector.name} needs the argument {connector.resource!r}, a resource name."
    location = args.get("location") if connector.is_document else None
    if location is not None and not (isinstance(location, str) and _LOCATION.match(location)):
        return f"{connector.name}: location must be the name of a region."
    taken = {connector.resource, "body", _PARAMETERS} | ({"location"} if connector.is_document else set())
    query: list[tuple[str, str]] = []
    for key, value in args.items():
        if key in taken or value is None:
            continue
        for item in value if isinstance(value, list) else [value]:
            text = scalar_text(item)
            if text is None:
                return f"{connector.name}: {key} must be a string, a number, a boolean, or a list of these."
            query.append((key, text))
    url = connector.url.format(quote(resource, safe="/-_.~"))
    if location is not None:
        url = url.replace("https://", f"https://{location}-", 1)
    return ConnectorRequest(connector.verb, url + (f"?{urlencode(query)}" if query else ""), args.get("body"))


def _connector(api: Api, verb: str, path: str, *, is_long_running: bool = False) -> Connector | None:
    match = _VARIABLE.search(path)
    if match is None:
        return _without_resource(api, verb, path, is_long_running=is_long_running)
    variable, pattern = match.groups()
    before, behind = path[: match.start()], path[match.end() :]
    tail, _, custom = behind.partition(":")
    collections = [part for part in (pattern + tail).split("/") if part not in {"*", "**", ""}]
    return Connector(
        name=".".join(["googleapis", api.name, api.version, *collections, custom or _standard(verb, tail)]),
        verb=verb,
        url=f"https://{api.hosts[0]}{before}{{}}{behind}",
        resource=camel(variable.rpartition(".")[2]),
        is_long_running=is_long_running,
        version=api.version,
    )


def _without_resource(api: Api, verb: str, path: str, *, is_long_running: bool) -> Connector | None:
    """Return the connector of a fixed address, such as ``/v2/entries:write``; None if nothing names its collection."""
    collections, _, custom = path.removeprefix(f"/{api.version}/").partition(":")
    if not collections or "{" in collections or collections.startswith("/"):
        return None
    method = custom or _standard(verb, collections)
    return Connector(
        name=".".join(["googleapis", api.name, api.version, *collections.split("/"), method]),
        verb=verb,
        url=f"https://{api.hosts[0]}{path}",
        resource="",
        is_long_running=is_long_running,
        version=api.version,
    )


def _documents(api: Api) -> dict[str, Connector]:
    """Return the connectors of routes without a schema: one with a resource name, or one of the Kubernetes shape.

    The latter are such as ``/apis/run.googleapis.com/v1/namespaces/{p}/jobs/{name}:run``.
    """
    found = {}
    for route in api.documents:
        match = _DOCUMENT.match(route.template)
        if match is None:
            named = _connector(api, route.verb, route.template)
            if named is not None:
                found[named.name] = named
            continue
        base, version, collection, item, custom = match.groups()
        verb = custom or _DOCUMENT_VERBS[route.verb, bool(item)]
        if verb == "replace":  # the one whose name says of what
            verb += collection.removesuffix("s").capitalize()
        name = f"googleapis.{api.name}.{version}.namespaces.{collection}.{verb}"
        tail = (":" + custom if custom else "") if item else "/" + collection
        found[name] = Connector(
            name=name,
            verb=route.verb,
            url=f"https://{api.hosts[0]}{base}{{}}{tail}",
            resource="name" if item else "parent",
            is_long_running=False,
            version=version,
            is_document=True,
        )
    return found


def _standard(verb: str, tail: str) -> str:
    return "list" if verb == "GET" and tail else _STANDARD[verb]
