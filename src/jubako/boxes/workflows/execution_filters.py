"""What lists of executions and of workflows can be filtered and ordered by.

Sources: google/cloud/workflows/executions/v1/executions.proto, ListExecutionsRequest; workflowexecutions.googleapis.com
v1, discovery document, executions.list; google/cloud/workflows/v1/workflows.proto, ListWorkflowsRequest.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jubako.boxes.workflows.listing import Filter, Listed, Order, parse_filter, parse_order
from jubako.boxes.workflows.resources import Execution, Workflow
from jubako.core.timestamps import parse_duration, parse_timestamp
from jubako.wire.codec import invalid


def filter_of_executions(text: str) -> Filter[Execution]:
    """Return what a filter of executions asks for; raise InvalidArgument if it is none."""
    return parse_filter(text, _EXECUTIONS, lambda execution: execution.labels)


def order_of_executions(text: str) -> list[Order[Execution]]:
    """Return the parts of an order of executions; raise InvalidArgument if it is none."""
    return parse_order(text, _EXECUTIONS)


def filter_of_workflows(text: str) -> Filter[Workflow]:
    """Return what a filter of workflows asks for; raise InvalidArgument if it is none."""
    return parse_filter(text, _WORKFLOWS, lambda workflow: workflow.labels)


def order_of_workflows(text: str) -> list[Order[Workflow]]:
    """Return the parts of an order of workflows; raise InvalidArgument if it is none."""
    return parse_order(text, _WORKFLOWS)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _steps(execution: Execution) -> list[str]:
    return [step.step for step in execution.status.current_steps] if execution.status else []


def _truth(value: str, where: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise invalid(where, "must be true or false.")
    return value.lower() == "true"


def day_or_time(value: str, where: str) -> datetime:
    """Return an instant; a bare day is its midnight in UTC, as Google's own examples have it."""
    return parse_timestamp(f"{value}T00:00:00Z" if len(value) == len("2023-08-01") else value, where)


_EXECUTIONS: Mapping[str, Listed[Execution]] = {
    "executionid": Listed(lambda execution: _last(execution.name)),
    "name": Listed(lambda execution: execution.name, is_ordered=False),
    "state": Listed(lambda execution: execution.state.name),
    "createtime": Listed(lambda execution: execution.create_time, day_or_time),
    "starttime": Listed(lambda execution: execution.start_time, day_or_time),
    "endtime": Listed(lambda execution: execution.end_time, day_or_time),
    "duration": Listed(lambda execution: execution.duration, parse_duration),
    "workflowrevisionid": Listed(lambda execution: execution.workflow_revision_id),
    "stepname": Listed(_steps, is_ordered=False),
    "disableconcurrencyquotaoverflowbuffering": Listed(
        lambda execution: execution.disable_concurrency_quota_overflow_buffering, _truth, is_ordered=False
    ),
}
_WORKFLOWS: Mapping[str, Listed[Workflow]] = {
    "name": Listed(lambda workflow: _last(workflow.name)),
    "description": Listed(lambda workflow: workflow.description),
    "state": Listed(lambda workflow: workflow.state.name),
    "revisionid": Listed(lambda workflow: workflow.revision_id),
    "serviceaccount": Listed(lambda workflow: workflow.service_account),
    "createtime": Listed(lambda workflow: workflow.create_time, day_or_time),
    "updatetime": Listed(lambda workflow: workflow.update_time, day_or_time),
    "revisioncreatetime": Listed(lambda workflow: workflow.revision_create_time, day_or_time),
}


def is_by_start(order: list[Order[Any]]) -> bool:
    """Return whether the store's own order of executions, by start (or creation), is the one asked for."""
    return not order or (len(order) == 1 and order[0].field in {"starttime", "createtime"})
