"""Connectors by the general rule: ``googleapis.<service>.<version>.<collections>.<method>``.

They are read from the method tables of the APIs that this server answers, so an API that is added is a connector
that is added. A call is an HTTP request to Google's own name for the API.
Source: cloud.google.com/workflows/docs/reference/googleapis, "Understand connectors".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from jubako.wire.method import Api, HttpRule, Method

_VARIABLE = re.compile(r"\{([\w.]+)=([^}]*)\}")
_STANDARD = {"POST": "create", "GET": "get", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}
_PARAMETERS = "connector_params"
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
    """The argument that holds the resource name: ``name`` or ``parent``."""
    is_long_running: bool
    version: str


@dataclass(frozen=True, slots=True)
class ConnectorRequest:
    """The HTTP request of one connector call."""

    verb: str
    url: str
    body: Any


def connectors(apis: Sequence[Api]) -> Mapping[str, Connector]:
    """Return the connectors of ``apis`` by name."""
    found = {}
    for api in apis:
        for method in api.methods:
            for rule in method.http:
                connector = _connector(api, method, rule)
                if connector is not None:
                    found[connector.name] = connector
    if any(name.rpartition(".")[0] == RUN_WORKFLOW.rpartition(".")[0] for name in found):
        found[RUN_WORKFLOW] = Connector(
            name=RUN_WORKFLOW, verb="POST", url="", resource="", is_long_running=True, version="v1"
        )
    return found


def request_of(connector: Connector, args: Mapping[str, Any]) -> ConnectorRequest | str:
    """Return the request for a call with ``args``, or a sentence that says what is wrong with them."""
    resource = args.get(connector.resource)
    if not isinstance(resource, str) or not resource:
        return f"{connector.name} needs the argument {connector.resource!r}, a resource name."
    query = {
        key: value
        for key, value in args.items()
        if key not in {connector.resource, "body", _PARAMETERS} and value is not None
    }
    url = connector.url.format(quote(resource, safe="/-_.~"))
    return ConnectorRequest(
        connector.verb, url + (f"?{urlencode(query, doseq=True)}" if query else ""), args.get("body")
    )


def _connector(api: Api, method: Method, rule: HttpRule) -> Connector | None:
    match = _VARIABLE.search(rule.path)
    if match is None:
        return None
    variable, pattern = match.groups()
    before, behind = rule.path[: match.start()], rule.path[match.end() :]
    tail, _, custom = behind.partition(":")
    collections = [part for part in (pattern + tail).split("/") if part not in {"*", "**", ""}]
    verb = custom or _standard(rule, tail)
    return Connector(
        name=".".join(["googleapis", api.name, api.version, *collections, verb]),
        verb=rule.verb,
        url=f"https://{api.hosts[0]}{before}{{}}{behind}",
        resource=variable.rpartition(".")[2],
        is_long_running=method.long_running is not None,
        version=api.version,
    )


def _standard(rule: HttpRule, tail: str) -> str:
    if rule.verb == "GET" and tail:
        return "list"
    return _STANDARD[rule.verb]
