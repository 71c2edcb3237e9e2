"""Deploying the telop application: three jobs, a service and a workflow, all by the public API."""

import sys
from dataclasses import dataclass
from typing import Any

from jubako.cli.client import Client
from jubako.cli.context import Context
from jubako.cli.demo.clip import application_folder
from jubako.cli.resources import Resource, create_or_update

JOBS = {"telop-ocr": "ocr", "telop-speech": "speech", "telop-report": "report"}
"""Job -> the word that its task program is given."""
SERVICE = "telop"
WORKFLOW = "telop-check"
TASK_TIMEOUT = "3600s"
REQUEST_TIMEOUT = "3600s"
"""An upload or a stream of progress may last as long; Cloud Run allows no more."""
DATA = "data/telop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Where the application is deployed and where it keeps its data."""

    server: str
    project: str
    location: str
    output: str
    """Absolute directory."""

    @classmethod
    def at(cls, server: str, context: Context) -> "Application":
        """Return the application of the context's project, location and state directory."""
        output = str(context.state.absolute() / DATA)
        return cls(server=server, project=context.project, location=context.location, output=output)

    @property
    def parent(self) -> str:
        """``projects/P/locations/L``."""
        return f"projects/{self.project}/locations/{self.location}"

    @property
    def reception(self) -> str:
        """Path below which the service answers."""
        return f"/run/{self.project}/{self.location}/{SERVICE}"

    def environment(self) -> list[dict[str, str]]:
        """Return the variables that every part of the application is given, as ``env`` entries."""
        variables = {
            "OUTPUT_URI": f"file://{self.output}",
            "GOOGLE_CLOUD_PROJECT": self.project,
            "GOOGLE_CLOUD_LOCATION": self.location,
            "WORKFLOWEXECUTIONS_API_BASE": self.server,
            "RUN_API_BASE": self.server,
        }
        return [{"name": name, "value": value} for name, value in variables.items()]


def deploy(client: Client, application: Application) -> None:
    """Create what is missing and update what differs. Raises ApiError where the server refuses."""
    for job, word in JOBS.items():
        change = _job(application, word)
        create_or_update(client, f"{application.parent}/jobs/{job}", change, skip_unchanged=True)
    service = _service(application)
    create_or_update(client, f"{application.parent}/services/{SERVICE}", service, skip_unchanged=True)
    _deploy_workflow(client, application)


def _job(application: Application, word: str) -> "_Change":
    template = {
        "containers": [_container(application, "jubako_apps.telop.tasks", word)],
        "maxRetries": 3,
        "timeout": TASK_TIMEOUT,
    }
    # No parallelism: as many shards at once as the machine has room for.
    # What all tasks import is imported once; a server that cannot do that starts them as always.
    annotations = {"jubako.dev/warm-start": f"jubako_apps.telop.warm.{word}"}
    return _Change({"template": {"annotations": annotations, "template": template}})


def _service(application: Application) -> "_Change":
    container = _container(application, "jubako_apps.telop.service")
    return _Change({"template": {"timeout": REQUEST_TIMEOUT, "containers": [container]}})


def _container(application: Application, module: str, *words: str) -> dict[str, Any]:
    return {"command": [sys.executable, "-m", module], "args": list(words), "env": application.environment()}


class _Change:
    """Lays wanted settings over what a resource has; what they do not mention stays."""

    def __init__(self, wanted: Resource) -> None:
        self.wanted = wanted

    def __call__(self, before: Resource) -> Resource:
        overlaid: Resource = _overlaid(before, self.wanted)
        return overlaid


def _overlaid(before: Any, wanted: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(before, dict) and isinstance(wanted, dict):
        kept = {key: value for key, value in before.items() if key not in wanted}
        return kept | {key: _overlaid(before.get(key), value) for key, value in wanted.items() if value != []}
    if isinstance(before, list) and isinstance(wanted, list) and len(before) == len(wanted):
        return [_overlaid(one, other) for one, other in zip(before, wanted, strict=True)]
    return wanted


def _deploy_workflow(client: Client, application: Application) -> None:
    source = (application_folder() / "workflow.yaml").read_text(encoding="utf-8")
    name = f"{application.parent}/workflows/{WORKFLOW}"
    before = client.find(f"/v1/{name}")
    body = {"sourceContents": source}
    if before is None:
        query = {"workflowId": WORKFLOW}
        client.wait(client.call("POST", f"/v1/{application.parent}/workflows", query=query, body=body), "v1")
    elif before.get("sourceContents") != source:
        operation = client.call("PATCH", f"/v1/{name}", query={"updateMask": "sourceContents"}, body=body)
        client.wait(operation, "v1")
