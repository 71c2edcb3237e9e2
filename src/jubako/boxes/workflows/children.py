"""Child workflows: the helper connector ``executions.run`` and its two forerunners.

``run`` starts an execution, waits for it, and returns its decoded result; ``map`` does so once for each argument.
Source: cloud.google.com/workflows/docs/reference/googleapis/workflowexecutions/Overview, "Helper methods"; and
.../docs/reference/stdlib/experimental.executions/run and .../map.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jubako.boxes.workflows.connectors import RUN_WORKFLOW, ConnectorRequest
from jubako.boxes.workflows.execution_rows import execution_topic
from jubako.boxes.workflows.messages import failure_map
from jubako.core.names import WORKFLOW_EXECUTION

EXPERIMENTAL_RUN = "experimental.executions.run"
MAP = "experimental.executions.map"
FUNCTIONS = frozenset({RUN_WORKFLOW, EXPERIMENTAL_RUN, MAP})
URL = "https://workflowexecutions.googleapis.com/v1/"
CHILDREN_MAX = 100
"""Ours: how many executions one ``map`` starts."""


@dataclass(frozen=True, slots=True)
class ChildFailed:
    """A child did not succeed; ``error`` is what the caller catches."""

    error: dict[str, Any]


def requests_of(function: str, args: Mapping[str, Any], parent: str) -> list[ConnectorRequest] | str:
    """Return one request for each child of a call, or a sentence that says what is wrong with ``args``."""
    own = WORKFLOW_EXECUTION.parse(parent)
    place = {
        "project": args.get("project_id") or own["project"],
        "location": args.get("location") or own["location"],
        "workflow": args.get("workflow_id"),
    }
    for name, value in place.items():
        if not isinstance(value, str) or not value or "/" in value:
            return f"{function} needs {name}{'_id' if name != 'location' else ''}, a string."
    given = args.get("arguments") if function == MAP else [args.get("argument")]
    if not isinstance(given, list):
        return f"{function} needs arguments, a list."
    if len(given) > CHILDREN_MAX:
        return f"{function} starts at most {CHILDREN_MAX} executions."
    path = "/".join(f"{name}s/{quote(str(value), safe='')}" for name, value in place.items())
    try:
        bodies = [{"argument": json.dumps(argument)} for argument in given]
    except TypeError:
        return f"{function}: bytes cannot be an argument."
    return [ConnectorRequest("POST", f"{URL}{path}/executions", body) for body in bodies]


def topic_of(name: str) -> str:
    """Return the topic that is woken when something changed for the execution ``name``."""
    return execution_topic(WORKFLOW_EXECUTION.parse(name)["execution"])


def result_of(execution: Mapping[str, Any]) -> Any:
    """Return the decoded result of an ended execution, or a ChildFailed."""
    if execution["state"] == "SUCCEEDED":
        return json.loads(execution.get("result") or "null")
    error = execution.get("error") or {}
    message = error.get("context") or f"the execution is {execution['state']}"
    # Both spellings of the documentation: connectors say operation and error, the forerunners execution_error.
    told = failure_map("OperationError", f"{execution['name']} failed: {message}", operation=dict(execution))
    return ChildFailed({**told, "error": error, "execution_error": error})
