"""Every connector of Google's reference whose API is served here is known to a real server, by Google's own name."""

import json
import runpy
from pathlib import Path

import pytest

from jubako.boxes.workflows.connector_names import CONNECTORS
from jubako.testing.server import PARENT, ApiError, ServerProcess

ROOT = Path(__file__).parents[3]
DOCUMENTED = {
    "run.v1.namespaces.jobs": "create delete get list replaceJob run",
    "run.v1.namespaces.executions": "cancel delete get list",
    "run.v1.namespaces.tasks": "get list",
    "run.v1.namespaces.services": "create delete get list replaceService",
    "run.v1.namespaces.revisions": "delete get list",
    "run.v2.projects.locations.jobs": "create delete get getIamPolicy list patch run setIamPolicy testIamPermissions",
    "run.v2.projects.locations.jobs.executions": "cancel delete get list",
    "run.v2.projects.locations.jobs.executions.tasks": "get list",
    "run.v2.projects.locations.operations": "delete get list wait",
    "run.v2.projects.locations.services": "create delete get getIamPolicy list patch setIamPolicy testIamPermissions",
    "run.v2.projects.locations.services.revisions": "delete get list",
    "workflowexecutions.v1.projects.locations.workflows.executions": "cancel create get list run exportData",
    "workflowexecutions.v1.projects.locations.workflows.executions.callbacks": "list",
    "workflowexecutions.v1.projects.locations.workflows.executions.stepEntries": "get list",
    "workflows.v1.projects.locations": "get list",
    "workflows.v1.projects.locations.operations": "delete get list",
    "workflows.v1.projects.locations.workflows": "create delete get list listRevisions patch",
    "logging.v2.entries": "list write",
    "logging.v2.logs": "delete list",
    "logging.v2.monitoredResourceDescriptors": "list",
}
"""Source: cloud.google.com/workflows/docs/reference/googleapis, one page for each API; without what is not served."""


def test_a_source_that_calls_every_documented_connector_deploys(server: ServerProcess) -> None:
    names = [
        f"googleapis.{collection}.{verb}"
        for collection, verbs in DOCUMENTED.items()
        for verb in verbs.split()
    ]
    steps = [f"- s{number}: {{call: {name}, args: {{name: n}}}}" for number, name in enumerate(names)]
    server.post(f"/v1/{PARENT}/workflows?workflowId=every-connector", {"sourceContents": "\n".join(steps)})


def test_checks_without_a_server_know_the_same_connectors(server: ServerProcess) -> None:
    made = runpy.run_path(str(ROOT / "tools" / "generate_connector_names.py"))
    assert made["served"](server) == sorted(CONNECTORS), "run tools/generate_connector_names.py"
    assert made["module"](sorted(CONNECTORS)) == made["MODULE"].read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "run.v2.projects.locations.jobs.runn",
            "did you mean googleapis.run.v2.projects.locations.jobs.run?",
        ),
        (
            "run.v2.qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
            "(there are googleapis.run.v2.projects.",
        ),
        ("storage.v1.objects.insert", "there are googleapis.logging.v2.entries.{list,write} googleapis."),
        (
            "pubsub.v1.projects.topics.publish",
            "googleapis.workflows.v1.projects.locations.workflows.{create,",
        ),
        (
            "cloudscheduler.v1.projects.locations.jobs.run",
            "cloudscheduler is not played here: start the workflow",
        ),
        ("eventarc.v1.projects.locations.triggers.get", "lets it go to Google; there are googleapis."),
        ("bigquery.v2.jobs.query", "(bigquery is not played here: jubako up --google-credentials"),
        (
            "secretmanager.v1.projects.secrets.versions.accessString",
            "a secret is given to a task or a service as a variable",
        ),
    ],
)
def test_one_that_is_not_served_is_refused_with_those_that_are(
    server: ServerProcess, name: str, told: str
) -> None:
    with pytest.raises(ApiError) as refused:
        server.post(
            f"/v1/{PARENT}/workflows?workflowId=unknown",
            {"sourceContents": f"- a: {{call: googleapis.{name}}}"},
        )
    assert refused.value.status == "INVALID_ARGUMENT"
    assert told in refused.value.message


def test_the_step_entries_of_an_execution_are_read_by_a_workflow(server: ServerProcess) -> None:
    workflows = f"/v1/{PARENT}/workflows"
    server.post(f"{workflows}?workflowId=told", {"sourceContents": "- only: {return: 1}"})
    ended = server.post(f"/jubako{workflows}/told:run", {})
    source = """\
main:
  params: [execution]
  steps:
    - list:
        call: googleapis.workflowexecutions.v1.projects.locations.workflows.executions.stepEntries.list
        args: {parent: "${execution}", pageSize: 10}
        result: entries
    - where:
        call: googleapis.workflows.v1.projects.locations.get
        args: {name: projects/local/locations/asia-northeast1}
        result: location
    - done: {return: ["${entries.stepEntries[0].step}", "${location.locationId}"]}
"""
    server.post(f"{workflows}?workflowId=reader", {"sourceContents": source})
    ran = server.post(f"/jubako{workflows}/reader:run", {"argument": f'"{ended["name"]}"'})
    assert json.loads(ran["result"]) == ["only", "asia-northeast1"]


DEPLOY_TWICE = """\
main:
  steps:
    - list:
        call: googleapis.run.v1.namespaces.revisions.list
        args: {parent: namespaces/local, location: asia-northeast1}
        result: before
    - delete:
        call: googleapis.run.v1.namespaces.revisions.delete
        args: {name: '${"namespaces/local/revisions/" + before.items[1].metadata.name}', location: asia-northeast1}
        result: told
    - newest:
        try:
          call: googleapis.run.v1.namespaces.revisions.delete
          args: {name: '${"namespaces/local/revisions/" + before.items[0].metadata.name}', location: asia-northeast1}
        except: {as: e, steps: [{refused: {assign: [{code: "${e.code}"}]}}]}
    - again:
        call: googleapis.run.v2.projects.locations.services.revisions.list
        args: {parent: projects/local/locations/asia-northeast1/services/twice}
        result: left
    - done: {return: ["${told.status}", "${code}", "${len(left.revisions)}"]}
"""


def test_a_workflow_deletes_a_revision_that_gets_no_requests(server: ServerProcess) -> None:
    services = f"/v2/{PARENT}/services"
    template = {"containers": [{"image": "local", "command": ["/bin/true"]}]}
    server.post(f"{services}?serviceId=twice", {"template": template})
    template["containers"][0]["args"] = ["x"]
    server.call("PATCH", f"{services}/twice", {"template": template})
    server.post(f"/v1/{PARENT}/workflows?workflowId=deleter", {"sourceContents": DEPLOY_TWICE})
    ran = server.post(f"/jubako/v1/{PARENT}/workflows/deleter:run", {})
    assert json.loads(ran["result"]) == ["Success", 400, 1]


def test_a_workflow_lists_callbacks_and_deletes_logs_by_googles_names_of_arguments(
    server: ServerProcess,
) -> None:
    source = """\
- make: {call: events.create_callback_endpoint, args: {http_callback_method: PUT}, result: endpoint}
- name:
    assign:
      - project: '${sys.get_env("GOOGLE_CLOUD_PROJECT_ID")}'
      - execution: '${text.split(text.split(endpoint.url, "/v1/")[1], "/callbacks/")[0]}'
- list:
    call: googleapis.workflowexecutions.v1.projects.locations.workflows.executions.callbacks.list
    args: {parent: "${execution}", pageSize: 5}
    result: found
- write:
    call: googleapis.logging.v2.entries.write
    args:
      body:
        logName: '${"projects/" + project + "/logs/mine"}'
        resource: {type: global}
        entries: [{textPayload: hello}]
- delete:
    call: googleapis.logging.v2.logs.delete
    args: {logName: '${"projects/" + project + "/logs/mine"}'}
- done: {return: ["${len(found.callbacks)}", "${found.callbacks[0].method}"]}
"""
    server.post(f"/v1/{PARENT}/workflows?workflowId=by-names", {"sourceContents": source})
    ran = server.post(f"/jubako/v1/{PARENT}/workflows/by-names:run", {})
    assert json.loads(ran["result"]) == [1, "PUT"]
