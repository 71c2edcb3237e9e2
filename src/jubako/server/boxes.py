"""The boxes, put together: each function wires one and says what of it the server must serve and run."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from jubako.boxes.jobs import launch as jobs_launch
from jubako.boxes.jobs.engine import JobsEngine
from jubako.boxes.jobs.execution_handlers import ExecutionHandlers, TaskHandlers
from jubako.boxes.jobs.handlers import HandlerPorts as JobPorts
from jubako.boxes.jobs.handlers import JobHandlers
from jubako.boxes.jobs.krm_routes import KrmRoutes as JobKrmRoutes
from jubako.boxes.jobs.log_entries import JobLogEntries
from jubako.boxes.jobs.log_routes import LogRoutes
from jubako.boxes.jobs.methods import EXECUTIONS, JOBS, TASKS
from jubako.boxes.jobs.operations import TARGET_KIND, ExecutionOperations
from jubako.boxes.jobs.rerun import RerunRoutes
from jubako.boxes.jobs.retention import keep_clean
from jubako.boxes.jobs.task_progress import ProgressRoutes
from jubako.boxes.services import launch as services_launch
from jubako.boxes.services.admission import Admission
from jubako.boxes.services.engine import ServicesEngine
from jubako.boxes.services.gateway import Invoker, ServicesGateway
from jubako.boxes.services.handlers import HandlerPorts as ServicePorts
from jubako.boxes.services.handlers import ServiceHandlers
from jubako.boxes.services.krm_routes import KrmRoutes as ServiceKrmRoutes
from jubako.boxes.services.log_entries import ServiceLogEntries
from jubako.boxes.services.methods import REVISIONS, SERVICES
from jubako.boxes.services.readiness import Readiness
from jubako.boxes.workflows.authorization import TokenSource
from jubako.boxes.workflows.callback_routes import CallbackRoutes
from jubako.boxes.workflows.connectors import Connector, connectors
from jubako.boxes.workflows.engine import WorkflowsEngine
from jubako.boxes.workflows.execution_documents import ExecutionDocuments
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.execution_routes import ExecutionRoutes
from jubako.boxes.workflows.google_calls import GoogleCalls
from jubako.boxes.workflows.handlers import Workflows
from jubako.boxes.workflows.histories import Histories
from jubako.boxes.workflows.instant import Instant
from jubako.boxes.workflows.log_entries import WorkflowLogEntries
from jubako.boxes.workflows.methods import EXECUTIONS as WORKFLOW_EXECUTIONS
from jubako.boxes.workflows.methods import WORKFLOWS
from jubako.boxes.workflows.parts import Parts, Programs
from jubako.boxes.workflows.performer import Performer
from jubako.boxes.workflows.performer import Services as PerformerServices
from jubako.boxes.workflows.running import RunRoutes
from jubako.boxes.workflows.step_entry_routes import StepEntryRoutes
from jubako.identity.account_api import HOSTS as ACCOUNT_HOSTS
from jubako.identity.acting import Admit
from jubako.identity.environment import Environments
from jubako.identity.google_credentials import GoogleCredentials
from jubako.identity.locations import locations_methods
from jubako.identity.projects import PROJECT_HOSTS, USAGE_HOSTS, Projects
from jubako.identity.secret_routes import SecretRoutes
from jubako.identity.secrets import SecretStore
from jubako.runtime.bundles import Bundles
from jubako.server.ground import Ground
from jubako.server.iam import RUN_HOSTS
from jubako.telemetry.log_entries import EntrySource
from jubako.telemetry.outputs import Outputs
from jubako.telemetry.stored_logs import StoredLogs
from jubako.wire.dispatch import Access
from jubako.wire.egress import Egress
from jubako.wire.extras import Extra
from jubako.wire.google_discovery import Discovery
from jubako.wire.log_tail import Tails
from jubako.wire.logging_api import HOSTS as LOGGING_HOSTS
from jubako.wire.logging_api import LoggingApi
from jubako.wire.method import Api
from jubako.wire.operations import Describers
from jubako.wire.operations_api import OperationsHandlers, operations_api, operations_methods
from jubako.wire.outbound import Outbound

WORKFLOWS_HOSTS = ("workflows.googleapis.com",)
WORKFLOW_EXECUTIONS_HOSTS = ("workflowexecutions.googleapis.com",)
API_HOSTS = frozenset(
    {
        *RUN_HOSTS,
        *WORKFLOWS_HOSTS,
        *WORKFLOW_EXECUTIONS_HOSTS,
        *USAGE_HOSTS,
        *PROJECT_HOSTS,
        *LOGGING_HOSTS,
        *ACCOUNT_HOSTS,
    }
)
MIGRATED = (
    "jubako.store",
    "jubako.telemetry",
    "jubako.wire",
    "jubako.identity",
    "jubako.boxes.jobs",
    "jubako.boxes.services",
    "jubako.boxes.workflows",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The Jobs box."""

    engine: JobsEngine
    api: Api
    describers: Describers
    extras: Sequence[Extra]
    sweeping: Callable[[], Awaitable[None]]
    """Loop that removes what deleted executions left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The Services box."""

    engine: ServicesEngine
    gateway: ServicesGateway
    api: Api


def jobs(ground: Ground, environments: Environments, admit: Admit, access: Access) -> Jobs:
    """Return the Jobs box."""
    root = ground.state.attempts / "jobs"
    operations = ExecutionOperations(ground.base_url, ground.runtime.capabilities)
    vault = SecretStore(ground.state.path / "secrets")
    bundles = Bundles(ground.state.bundles)
    settings = jobs_launch.LaunchSettings(
        vault=vault,
        bundles=bundles,
        slots=os.cpu_count() or 1,
        output_root=str(root),
        environment=ground.environment,
        environments=environments,
        working_dir=ground.working_dir,
        grace=ground.grace,
        memory_bytes=ground.runtime.capabilities().memory_bytes,
        mounts_missing=lambda: ground.runtime.capabilities().mounts_missing,
    )
    engine = JobsEngine(
        ground.store, ground.runtime, settings, operations.finish, ground.events, ground.faults
    )
    outputs = Outputs(root)
    ports = JobPorts(
        store=ground.store,
        ids=ground.ids,
        outputs=outputs,
        faults=ground.faults,
        settings=settings,
        capabilities=ground.runtime.capabilities,
        base_url=ground.base_url,
        admit=admit,
        access=access,
    )
    handlers = {
        **JobHandlers(ports).methods(),
        **ExecutionHandlers(ports).methods(),
        **TaskHandlers(ports).methods(),
    }
    return Jobs(
        engine=engine,
        api=Api(
            name="run",
            version="v2",
            hosts=RUN_HOSTS,
            methods=(*JOBS, *EXECUTIONS, *TASKS),
            handlers=handlers,
            documents=JobKrmRoutes(ports).routes(),
        ),
        describers={TARGET_KIND: operations.describe},
        extras=[
            *LogRoutes(ground.store, outputs).routes(),
            *ProgressRoutes(ground.store, outputs).routes(),
            *RerunRoutes(ports).routes(),
            *SecretRoutes(vault).routes(),
        ],
        sweeping=partial(keep_clean, ground.store, outputs, ground.clock, ports.leftovers),
    )


def services(ground: Ground, environments: Environments, admit: Admit, invoker: Invoker) -> Services:
    """Return the Services box."""
    vault = SecretStore(ground.state.path / "secrets")
    bundles = Bundles(ground.state.bundles)
    settings = services_launch.LaunchSettings(
        bundles=bundles,
        vault=vault,
        memory_bytes=ground.runtime.capabilities().memory_bytes,
        mounts_missing=lambda: ground.runtime.capabilities().mounts_missing,
        output_root=str(ground.state.attempts / "services"),
        environment=ground.environment,
        environments=environments,
        working_dir=ground.working_dir,
        grace=ground.grace,
    )
    readiness = Readiness(ground.store, ground.clock, ground.events)
    engine = ServicesEngine(ground.store, ground.runtime, settings, readiness, ground.events, ground.faults)
    admission = Admission(ground.store, ground.clock, engine.leases, settings)
    ports = ServicePorts(
        store=ground.store,
        bundles=bundles,
        ids=ground.ids,
        faults=ground.faults,
        secrets=vault,
        base_url=ground.base_url,
        admit=admit,
    )
    return Services(
        engine=engine,
        gateway=ServicesGateway(ground.store, admission, ground.ids, invoker),
        api=Api(
            name="run",
            version="v2",
            hosts=RUN_HOSTS,
            methods=(*SERVICES, *REVISIONS),
            handlers=ServiceHandlers(ports).methods(),
            documents=ServiceKrmRoutes(ports).routes(),
        ),
    )


def google_calls(ground: Ground, outbound: Outbound) -> GoogleCalls | None:
    """Return who makes the calls of connectors that go to the real Google, None if none do."""
    if ground.google is None:
        return None
    discovery = Discovery(outbound, ground.wall, ground.google.discovery)
    return GoogleCalls(discovery, GoogleCredentials(ground.google.credentials, outbound, ground.wall))


def workflow_apis(
    ground: Ground,
    callable_apis: Sequence[Api],
    histories: Histories,
    admit: Admit,
    google: GoogleCalls | None,
) -> tuple[Sequence[Api], Mapping[str, Connector]]:
    """Return the APIs of the Workflows box, and the connectors: the methods of these and of ``callable_apis``."""
    handlers = Executions(ground.store, ground.ids)
    executions = Api(
        name="workflowexecutions",
        version="v1",
        hosts=WORKFLOW_EXECUTIONS_HOSTS,
        methods=WORKFLOW_EXECUTIONS,
        handlers=handlers.handlers(),
        documents=[
            *StepEntryRoutes(histories).routes(),
            *ExecutionDocuments(ground.store, handlers).routes(),
            *CallbackRoutes(ground.store, ground.clock).documents(),
        ],
    )
    workflows = Api(name="workflows", version="v1", hosts=WORKFLOWS_HOSTS, methods=WORKFLOWS, handlers={})
    known = connectors([*callable_apis, executions, workflows, *_beside()])
    handlers_of_workflows = Workflows(
        ground.store, ground.ids, frozenset(known), admit, google, ground.events
    ).handlers()
    return [replace(workflows, handlers=handlers_of_workflows), executions], known


def _beside() -> list[Api]:
    """Return what connectors reach beside the boxes: operations and locations, by the names of their APIs."""
    return [
        Api(
            name=name,
            version=version,
            hosts=hosts,
            methods=[*operations_methods(name, version), *locations_methods(version)],
            handlers={},
        )
        for name, version, hosts in (("run", "v2", RUN_HOSTS), ("workflows", "v1", WORKFLOWS_HOSTS))
    ]


def workflow_extras(ground: Ground, histories: Histories) -> list[Extra]:
    """Return the routes of the Workflows box that are no API methods."""
    return [
        *CallbackRoutes(ground.store, ground.clock).routes(),
        *ExecutionRoutes(ground.store, ground.clock, ground.wall, histories).routes(),
        *RunRoutes(ground.store, ground.wall, Executions(ground.store, ground.ids)).routes(),
    ]


def workflows_engine(
    ground: Ground,
    egress: Egress,
    known: Mapping[str, Connector],
    tokens: TokenSource,
    google: GoogleCalls | None,
) -> WorkflowsEngine:
    """Return the engine of the Workflows box; its steps leave through ``egress``, with ``tokens``."""
    return WorkflowsEngine(
        Parts(
            store=ground.store,
            clock=ground.clock,
            events=ground.events,
            faults=ground.faults,
            programs=Programs(),
            instant=Instant(ground.clock, ground.ids, ground.events),
            performer=Performer(
                egress,
                known,
                ground.clock,
                PerformerServices(
                    store=ground.store,
                    base_url=ground.base_url,
                    tokens=tokens,
                    google=google,
                    begin=egress.begin,
                ),
            ),
        )
    )


def logging_api(ground: Ground) -> Api:
    """Return Cloud Logging over what programs wrote and what the boxes kept."""
    sources: Sequence[EntrySource] = [
        StoredLogs(ground.store),
        JobLogEntries(ground.store, Outputs(ground.state.attempts / "jobs")),
        ServiceLogEntries(ground.store, ground.state.attempts / "services"),
        WorkflowLogEntries(ground.store),
    ]
    tails = Tails(sources, ground.clock, ground.wall)
    return LoggingApi(ground.store, ground.clock, ground.ids, sources, tails).api()


def operation_apis(ground: Ground, describers: Describers) -> list[Api]:
    """Return the APIs beside the boxes: long-running operations, projects, locations."""
    run = OperationsHandlers(ground.store, ground.wall, "run", describers, ground.runtime.capabilities)
    workflows = OperationsHandlers(ground.store, ground.wall, "workflows", {})
    return [
        operations_api(run, "v2", RUN_HOSTS),
        operations_api(workflows, "v1", WORKFLOWS_HOSTS),
        *Projects(sorted(API_HOSTS)).apis(),
    ]
