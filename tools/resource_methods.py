"""Read the official HTTP rules and print the method tables."""

# ruff: noqa: SLF001 - the rules are in private classes

import importlib
from dataclasses import dataclass

from official_packages import PACKAGES, method_stubs, streams
from resource_types import Module

RUN = "google.cloud.run.v2"
WORKFLOWS = "google.cloud.workflows.v1"
EXECUTIONS = "google.cloud.workflows.executions.v1"
LOGGING = "google.logging.v2"


@dataclass(frozen=True, slots=True)
class MethodFile:
    """One file of method tables: (constant, package, service) of each table."""

    module: str
    about: str
    tables: tuple[tuple[str, str, str], ...]


METHOD_FILES = (
    MethodFile(
        "jubako.boxes.jobs.methods",
        "The method tables of Run v2: jobs, executions, tasks.",
        (("JOBS", RUN, "jobs"), ("EXECUTIONS", RUN, "executions"), ("TASKS", RUN, "tasks")),
    ),
    MethodFile(
        "jubako.boxes.services.methods",
        "The method tables of Run v2: services and revisions.",
        (("SERVICES", RUN, "services"), ("REVISIONS", RUN, "revisions")),
    ),
    MethodFile(
        "jubako.boxes.workflows.methods",
        "The method tables of Workflows v1 and Workflow Executions v1.",
        (("WORKFLOWS", WORKFLOWS, "workflows"), ("EXECUTIONS", EXECUTIONS, "executions")),
    ),
    MethodFile(
        "jubako.wire.logging_methods",
        "The method table of Cloud Logging v2.",
        (("LOGGING", LOGGING, "logging_service_v2"),),
    ),
)

EXECUTION_RULES = {
    "ListExecutions": ("get", "/v1/{parent=projects/*/locations/*/workflows/*}/executions", ""),
    "CreateExecution": ("post", "/v1/{parent=projects/*/locations/*/workflows/*}/executions", "execution"),
    "GetExecution": ("get", "/v1/{name=projects/*/locations/*/workflows/*/executions/*}", ""),
    "CancelExecution": ("post", "/v1/{name=projects/*/locations/*/workflows/*/executions/*}:cancel", "*"),
}
"""The Python package of Workflow Executions has no REST transport to read them from.

Source: google/cloud/workflows/executions/v1/executions.proto.
"""

LOGGING_RULES: dict[str, tuple[str, str, str]] = {
    "DeleteLog": ("delete", "/v2/{log_name=*/*/logs/*}", ""),
    "WriteLogEntries": ("post", "/v2/entries:write", "*"),
    "ListLogEntries": ("post", "/v2/entries:list", "*"),
    "ListMonitoredResourceDescriptors": ("get", "/v2/monitoredResourceDescriptors", ""),
    "ListLogs": ("get", "/v2/{parent=*/*}/logs", ""),
}
"""Nor has that of Cloud Logging; of each method the rule that takes every kind of parent. A stream has none: only gRPC
carries it, at Google too.

Source: google/logging/v2/logging.proto.
"""

PERMISSIONS = {
    "DeleteLog": "logging.logs.delete",
    "WriteLogEntries": "logging.logEntries.create",
    "ListLogEntries": "logging.logEntries.list",
    "TailLogEntries": "logging.logEntries.list",
    "ListMonitoredResourceDescriptors": "logging.logEntries.list",
    "ListLogs": "logging.logs.list",
    "RunJob": "run.jobs.run",
    "ListWorkflowRevisions": "workflows.workflows.listRevision",
    # Google asks for none here; a row without permission would let nobody in.
    "TestIamPermissions": "jubako.permissions.test",
}
"""Where the IAM permission is not ``API.collection.verb``. Source: the IAM permissions reference."""

BODY_BYTES_MAX = {"google.logging.v2.LoggingServiceV2.WriteLogEntries": 10 * 1024 * 1024}
"""Of the methods that take more than others. Source: Cloud Logging, "Quotas and limits"."""

VERBS = ("GetIamPolicy", "SetIamPolicy", "Create", "Get", "List", "Update", "Delete", "Cancel")

LONG_RUNNING = {
    f"{RUN}.Jobs.CreateJob": ("Job", "Job"),
    f"{RUN}.Jobs.UpdateJob": ("Job", "Job"),
    f"{RUN}.Jobs.DeleteJob": ("Job", "Job"),
    f"{RUN}.Jobs.RunJob": ("Execution", "Execution"),
    f"{RUN}.Executions.CancelExecution": ("Execution", "Execution"),
    f"{RUN}.Executions.DeleteExecution": ("Execution", "Execution"),
    f"{RUN}.Services.CreateService": ("Service", "Service"),
    f"{RUN}.Services.UpdateService": ("Service", "Service"),
    f"{RUN}.Services.DeleteService": ("Service", "Service"),
    f"{RUN}.Revisions.DeleteRevision": ("Revision", "Revision"),
    f"{WORKFLOWS}.Workflows.CreateWorkflow": ("Workflow", "OperationMetadata"),
    f"{WORKFLOWS}.Workflows.UpdateWorkflow": ("Workflow", "OperationMetadata"),
    f"{WORKFLOWS}.Workflows.DeleteWorkflow": ("Empty", "OperationMetadata"),
}
"""Response and metadata types. Source: the google.longrunning.operation_info of each method."""


def http_rules(package: str, service: str, method: str) -> list[tuple[str, str, str]]:
    """Return the official (verb, path, body) rules of a method, verbs in lower case."""
    if package == EXECUTIONS:
        return [EXECUTION_RULES[method]]
    if package == LOGGING:
        return [LOGGING_RULES[method]] if method in LOGGING_RULES else []
    module = importlib.import_module(f"{PACKAGES[package].__name__}.services.{service}.transports.rest_base")
    cls = next(
        c for name, c in vars(module).items() if name.startswith("_Base") and name.endswith("RestTransport")
    )
    options: list[dict[str, str]] = getattr(cls, f"_Base{method}")._get_http_options()
    return [(o["method"], o["uri"], o.get("body", "")) for o in options]


def permission(full_name: str) -> str:
    """Return the IAM permission of a method, such as run.jobs.create."""
    service, method = full_name.split(".")[-2:]
    special = PERMISSIONS.get(method) or PERMISSIONS.get(f"{service}.{method}")
    if special:
        return special
    api = "run" if full_name.startswith(RUN) else "workflows"
    verb = next(v for v in VERBS if method.startswith(v))
    return f"{api}.{service.lower()}.{verb[0].lower()}{verb[1:]}"


def write_methods(file: MethodFile, placed: list[Module]) -> str:
    """Return the source of ``file``."""
    home = {name: module.name for module in placed for name in module.types}
    imports: set[tuple[str, str]] = set()
    body = []
    for constant, package, service in file.tables:
        rows = [
            _row(name, package, service, home, imports) for name in sorted(method_stubs(package, service))
        ]
        body.append(f"{constant}: Sequence[Method] = (\n" + "".join(rows) + ")\n")
    lines = [f'"""{file.about}', "", "Generated by tools/generate_resources.py; do not edit.", '"""', ""]
    lines += ["from collections.abc import Sequence", ""]
    lines += [f"from {module} import {name}" for module, name in sorted(imports)]
    lines += ["from jubako.wire.method import HttpRule, LongRunning, Method", "", *body]
    return "\n".join(lines)


def _row(
    full_name: str, package: str, service: str, home: dict[str, str], imports: set[tuple[str, str]]
) -> str:
    def spell(type_name: str) -> str:
        short = type_name.rsplit(".", maxsplit=1)[-1]
        imports.add((home[type_name], short))
        return short

    request, response = (t.DESCRIPTOR.full_name for t in method_stubs(package, service)[full_name])
    method = full_name.rsplit(".", maxsplit=1)[-1]
    rules = [
        f'HttpRule("{verb.upper()}", "{path}"' + (f', "{body}"' if body else "") + "),"
        for verb, path, body in http_rules(package, service, method)
    ]
    text = f'Method(name="{full_name}", http=({" ".join(rules)}), request={spell(request)}, '
    text += f'response={spell(response)}, permission="{permission(full_name)}"'
    if full_name in LONG_RUNNING:
        names = [t if t != "Empty" else "google.protobuf.Empty" for t in LONG_RUNNING[full_name]]
        spelt = [spell(t if "." in t else f"{package}.{t}") for t in names]
        text += f", long_running=LongRunning({spelt[0]}, {spelt[1]})"
    if full_name in streams(package, service):
        text += ", is_stream=True"
    if full_name in BODY_BYTES_MAX:
        text += f", body_max={BODY_BYTES_MAX[full_name]:_}"
    return f"    {text}),\n"
