from collections.abc import Mapping
from typing import Any

import pytest

from jubako.boxes.jobs.execution_handlers import ExecutionHandlers, TaskHandlers
from jubako.boxes.jobs.handlers import HandlerPorts as JobPorts
from jubako.boxes.jobs.handlers import JobHandlers
from jubako.boxes.services.handlers import HandlerPorts as ServicePorts
from jubako.boxes.services.handlers import ServiceHandlers
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.handlers import Workflows
from jubako.wire.method import Handler, Read
from jubako.wire.operations_api import OperationsHandlers, operations_api

NONE: Any = None
JOBS = JobPorts(
    store=NONE, ids=NONE, outputs=NONE, faults=NONE, settings=NONE, capabilities=NONE, base_url=""
)
SERVICES = ServicePorts(store=NONE, ids=NONE, faults=NONE, secrets=NONE, base_url="")
TABLES: Mapping[str, Mapping[str, Handler]] = {
    "jobs": JobHandlers(JOBS).methods(),
    "executions of jobs": ExecutionHandlers(JOBS).methods(),
    "tasks": TaskHandlers(JOBS).methods(),
    "services and revisions": ServiceHandlers(SERVICES).methods(),
    "workflows": Workflows(NONE, NONE, frozenset()).handlers(),
    "executions of workflows": Executions(NONE, NONE).handlers(),
    "operations": operations_api(OperationsHandlers(NONE, NONE, "run", {}), "v2", ()).handlers,
}


@pytest.mark.parametrize("handlers", TABLES.values(), ids=TABLES)
def test_a_box_answers_gets_by_reads_whose_answers_are_kept(handlers: Mapping[str, Handler]) -> None:
    gets = {name: handler for name, handler in handlers.items() if name.rpartition(".")[2].startswith("Get")}
    assert gets
    assert all(isinstance(handler, Read) for handler in gets.values()), gets
