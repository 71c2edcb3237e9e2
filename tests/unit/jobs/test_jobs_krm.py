"""Cloud Run v1 documents, with the request bodies that gcloud 528 sends."""

import copy
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from jubako.wire.addresses import project_number
from jubako.wire.http import HttpRequest
from jubako.wire.method import Caller

BASE = "/apis/run.googleapis.com/v1/namespaces/p"
REGIONAL = "asia-northeast1-run.googleapis.com"
GLOBAL = "run.googleapis.com"
GCLOUD = {"run.googleapis.com/client-name": "gcloud", "run.googleapis.com/client-version": "528.0.0"}
DEPLOYED: dict[str, Any] = {
    "apiVersion": "run.googleapis.com/v1",
    "kind": "Job",
    "metadata": {"name": "batch-convert", "namespace": "p", "labels": {}, "annotations": GCLOUD},
    "spec": {
        "template": {
            "metadata": {"annotations": GCLOUD, "labels": {"client.knative.dev/nonce": "aaa_bbb_ccc"}},
            "spec": {
                "taskCount": 100,
                "parallelism": 20,
                "template": {
                    "spec": {
                        "containers": [{"image": "local", "command": ["cat"], "name": ""}],
                        "maxRetries": 3,
                        "nodeSelector": {},
                        "serviceAccountName": "batch@PROJECT_ID.iam.gserviceaccount.com",
                        "timeoutSeconds": "3600",
                    }
                },
            },
        }
    },
    "status": {"latestCreatedExecution": {}},
}


class Gcloud:
    """Sends what gcloud sends."""

    def __init__(self, box) -> None:
        self.box = box

    async def send(
        self,
        verb: str,
        path: str,
        body: Any = None,
        *,
        query: str = "",
        host: str = REGIONAL,
        agent: str = "",
    ) -> tuple[int, dict[str, Any]]:
        request = HttpRequest(
            method=verb,
            path=path if path.startswith("/") else f"{BASE}/{path}",
            query=f"{query}&alt=json" if query else "alt=json",
            headers={"host": host, "user-agent": agent},
            body=b"" if body is None else msgspec.json.encode(body),
        )
        response = await self.box.router.handle(request, Caller(principal="user:local"))
        return response.status, msgspec.json.decode(response.body)

    async def call(self, verb: str, path: str, body: Any = None, **how: str) -> dict[str, Any]:
        status, reply = await self.send(verb, path, body, **how)
        assert status == 200, reply
        return reply

    async def deploy(self, **fields: Any) -> dict[str, Any]:
        return await self.call("POST", "jobs", DEPLOYED | fields)


@pytest.fixture
def gcloud(box) -> Gcloud:
    return Gcloud(box)


def conditions(document: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["status"] for one in document["status"]["conditions"]}


async def test_the_articles_deploy_comes_back_as_the_job_that_gcloud_reads(gcloud: Gcloud) -> None:
    created = await gcloud.deploy()
    assert created == await gcloud.call("GET", "jobs/batch-convert")
    metadata = created["metadata"]
    assert (metadata["name"], metadata["namespace"], metadata["generation"]) == ("batch-convert", "p", 1)
    assert metadata["labels"]["cloud.googleapis.com/location"] == "asia-northeast1"
    assert metadata["labels"]["run.googleapis.com/lastUpdatedTime"]
    assert metadata["annotations"] == GCLOUD | {
        "run.googleapis.com/creator": "local",
        "run.googleapis.com/lastModifier": "local",
    }
    assert created["spec"]["template"]["metadata"]["labels"] == {"client.knative.dev/nonce": "aaa_bbb_ccc"}
    spec = created["spec"]["template"]["spec"]
    assert (spec["taskCount"], spec["parallelism"]) == (100, 20)
    assert spec["template"]["spec"] == {
        "containers": [{"image": "local", "command": ["cat"]}],
        "maxRetries": 3,
        "timeoutSeconds": "3600",
        "serviceAccountName": "batch@PROJECT_ID.iam.gserviceaccount.com",
    }
    assert conditions(created) == {"Ready": "True"}
    assert created["status"]["observedGeneration"] == metadata["generation"]


async def test_volumes_go_there_and_back(gcloud: Gcloud, box) -> None:
    document = copy.deepcopy(DEPLOYED)
    spec = document["spec"]["template"]["spec"]["template"]["spec"]
    items = [{"key": "1", "path": "one"}, {"key": "latest", "path": "two", "mode": 256}]
    spec["volumes"] = [
        {"name": "k", "secret": {"secretName": "key", "items": items, "defaultMode": 292}},
        {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "2Mi"}},
        {"name": "n", "emptyDir": {}},
    ]
    spec["containers"][0]["volumeMounts"] = [
        {"name": "k", "mountPath": "/k"},
        {"name": "m", "mountPath": "/m"},
    ]
    created = await gcloud.call("POST", "jobs", document)
    shown = created["spec"]["template"]["spec"]["template"]["spec"]
    assert shown["volumes"] == spec["volumes"]
    assert shown["containers"][0]["volumeMounts"] == spec["containers"][0]["volumeMounts"]
    job = await box.call("GET", "/v2/projects/p/locations/asia-northeast1/jobs/batch-convert")
    key, memory, plain = job["template"]["template"]["volumes"]
    assert key["secret"]["items"][1] == {"path": "two", "version": "latest", "mode": 256}
    assert memory["emptyDir"] == {"medium": "MEMORY", "sizeLimit": "2Mi"}
    assert plain == {"name": "n", "emptyDir": {}}
    assert (await gcloud.call("PUT", "jobs/batch-convert", created))["spec"] == created["spec"]


async def test_the_same_job_is_seen_through_v2(gcloud: Gcloud, box) -> None:
    await gcloud.deploy()
    job = await box.call("GET", "/v2/projects/p/locations/asia-northeast1/jobs/batch-convert")
    assert (job["template"]["taskCount"], job["template"]["template"]["timeout"]) == (100, "3600s")
    assert (job["client"], job["clientVersion"]) == ("gcloud", "528.0.0")
    assert "annotations" not in job
    assert "image" not in job["template"]["template"]["containers"][0]


async def test_whole_documents_are_sent_back_and_an_old_version_is_refused(gcloud: Gcloud, box) -> None:
    created = await gcloud.deploy()
    changed = copy.deepcopy(created)
    changed["spec"]["template"]["spec"]["taskCount"] = 50
    await box.clock.advance(timedelta(seconds=1))
    updated = await gcloud.call("PUT", "jobs/batch-convert", changed)
    assert updated["metadata"]["generation"] == updated["status"]["observedGeneration"] == 2
    assert updated["spec"]["template"]["spec"]["taskCount"] == 50
    status, reply = await gcloud.send("PUT", "jobs/batch-convert", changed)
    assert (status, reply["error"]["status"]) == (409, "ABORTED")
    del changed["metadata"]["resourceVersion"]
    assert (await gcloud.call("PUT", "jobs/batch-convert", changed))["metadata"]["generation"] == 3


async def test_creating_twice_and_asking_for_nothing_are_told_as_gcloud_reads_it(gcloud: Gcloud) -> None:
    assert (await gcloud.send("GET", "jobs/batch-convert"))[0] == 404
    await gcloud.deploy()
    status, reply = await gcloud.send("POST", "jobs", DEPLOYED)
    assert (status, reply["error"]["code"], reply["error"]["status"]) == (409, 409, "ALREADY_EXISTS")


async def test_an_execution_starts_completes_and_lists_its_tasks(gcloud: Gcloud, box) -> None:
    document = copy.deepcopy(DEPLOYED)
    document["spec"]["template"]["spec"] |= {"taskCount": 2, "parallelism": 0}
    await gcloud.call("POST", "jobs", document)
    started = await gcloud.call("POST", "jobs/batch-convert:run", {})
    assert started["kind"] == "Execution"
    assert conditions(started)["Completed"] == "Unknown"
    name = started["metadata"]["name"]
    await box.settle()
    running = await gcloud.call("GET", f"executions/{name}")
    assert (conditions(running)["Started"], running["status"]["runningCount"]) == ("True", 2)
    selector = f"labelSelector=run.googleapis.com%2Fexecution+%3D+{name}&limit=100"
    tasks = await gcloud.call("GET", "tasks", query=selector)
    assert [task["status"]["index"] for task in tasks["items"]] == [0, 1]
    assert {task["metadata"]["labels"]["run.googleapis.com/runningState"] for task in tasks["items"]} == {
        "Running"
    }
    one = await gcloud.call("GET", f"tasks/{tasks['items'][1]['metadata']['name']}")
    assert one["status"]["index"] == 1
    for attempt in list(box.runtime.live):
        box.runtime.finish(attempt)
    await box.settle()
    ended = await gcloud.call("GET", f"executions/{name}")
    assert conditions(ended)["Completed"] == "True"
    assert ended["status"]["succeededCount"] == 2
    assert ended["metadata"]["labels"]["run.googleapis.com/job"] == "batch-convert"
    job = await gcloud.call("GET", "jobs/batch-convert")
    assert job["status"]["latestCreatedExecution"]["completionStatus"] == "EXECUTION_SUCCEEDED"


async def test_overrides_come_as_gcloud_sends_them(gcloud: Gcloud) -> None:
    await gcloud.deploy()
    override = {"args": ["x"], "clearArgs": False, "env": [{"name": "A", "value": "b"}]}
    body = {"overrides": {"containerOverrides": [override], "taskCount": 3, "timeoutSeconds": 600}}
    spec = (await gcloud.call("POST", "jobs/batch-convert:run", body))["spec"]
    assert spec["taskCount"] == 3
    assert spec["template"]["spec"]["timeoutSeconds"] == "600"
    container = spec["template"]["spec"]["containers"][0]
    assert (container["args"], container["env"]) == (["x"], [{"name": "A", "value": "b"}])


async def test_executions_are_listed_by_selector_in_pages_and_cancelled_and_deleted(
    gcloud: Gcloud, box
) -> None:
    await gcloud.deploy()
    names = []
    for _ in range(3):
        names.append((await gcloud.call("POST", "jobs/batch-convert:run", {}))["metadata"]["name"])
        await box.clock.advance(timedelta(seconds=1))
    selector = "labelSelector=run.googleapis.com%2Fjob+%3D+batch-convert&limit=2"
    first = await gcloud.call("GET", "executions", query=selector)
    token = first["metadata"]["continue"]
    second = await gcloud.call("GET", "executions", query=f"{selector}&continue={token}")
    listed = [one["metadata"]["name"] for one in first["items"] + second["items"]]
    assert listed == names[::-1]
    assert second["metadata"] == {}
    status, reply = await gcloud.send("DELETE", f"executions/{names[0]}")
    assert (status, reply["error"]["status"]) == (400, "FAILED_PRECONDITION")
    await gcloud.call("POST", f"executions/{names[0]}:cancel", {})
    await box.settle()
    ended = await gcloud.call("GET", f"executions/{names[0]}")
    assert conditions(ended)["Completed"] == "False"
    assert (await gcloud.call("DELETE", f"executions/{names[0]}"))["status"] == "Success"
    assert (await gcloud.send("GET", f"executions/{names[0]}"))[0] == 404
    other = "labelSelector=run.googleapis.com%2Fjob+%3D+other"
    assert (await gcloud.call("GET", "executions", query=other))["items"] == []


async def test_without_a_region_lists_go_across_and_names_are_found(gcloud: Gcloud) -> None:
    await gcloud.deploy()
    await gcloud.call("POST", "jobs", DEPLOYED, host="us-central1-run.googleapis.com")
    listed = await gcloud.call("GET", "jobs", host=GLOBAL, query="limit=1")
    rest = await gcloud.call("GET", "jobs", host=GLOBAL, query=f"continue={listed['metadata']['continue']}")
    places = [
        one["metadata"]["labels"]["cloud.googleapis.com/location"] for one in listed["items"] + rest["items"]
    ]
    assert places == ["asia-northeast1", "us-central1"]
    status, reply = await gcloud.send("GET", "jobs/batch-convert", host=GLOBAL)
    assert (status, "us-central1" in reply["error"]["message"]) == (400, True)
    await gcloud.call("DELETE", "jobs/batch-convert", host="us-central1-run.googleapis.com")
    assert (await gcloud.call("GET", "jobs/batch-convert", host=GLOBAL))["kind"] == "Job"


async def test_a_project_number_does_for_the_id(gcloud: Gcloud) -> None:
    await gcloud.deploy()
    path = f"/apis/run.googleapis.com/v1/namespaces/{project_number('p')}/jobs/batch-convert"
    assert (await gcloud.call("GET", path))["metadata"]["namespace"] == "p"
    assert (await gcloud.send("GET", path.replace(str(project_number("p")), "123")))[0] == 404


async def test_a_run_that_gcloud_repeats_starts_one_execution(gcloud: Gcloud) -> None:
    await gcloud.deploy()
    agent = (
        "google-cloud-sdk gcloud/528.0.0 command/gcloud.run.jobs.execute invocation-id/" + "ab" * 16 + " env"
    )
    first = await gcloud.call("POST", "jobs/batch-convert:run", {}, agent=agent)
    again = await gcloud.call("POST", "jobs/batch-convert:run", {}, agent=agent)
    other = await gcloud.call("POST", "jobs/batch-convert:run", {}, agent=agent.replace("ab", "cd"))
    assert first["metadata"]["name"] == again["metadata"]["name"] != other["metadata"]["name"]


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        ("metadata.annotations", {"run.googleapis.com/cloudsql-instances": "x"}, "cloudsql-instances"),
        (
            "spec.template.spec.template.spec.volumes",
            [{"name": "v", "nfs": {"server": "s"}}],
            "volumes[0].nfs",
        ),
        ("spec.template.spec.template.spec.containers", [{"image": "", "lifecycle": {"a": 1}}], "lifecycle"),
        ("spec.template.spec.taskCount", "many", "taskCount"),
        ("spec.template.spec.template.spec.timeoutSeconds", True, "timeoutSeconds"),
        ("spec.template", [], "template"),
        ("kind", "Service", "kind"),
        ("metadata.name", "Not A Name", "jobId"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    gcloud: Gcloud, place: str, value: object, named: str
) -> None:
    document = copy.deepcopy(DEPLOYED)
    *parents, last = place.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    status, reply = await gcloud.send("POST", "jobs", document)
    assert status in {400, 501}
    assert named in reply["error"]["message"]
    assert (await gcloud.call("GET", "jobs"))["items"] == []


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where objects are in what a client says; maps of any keys have no unknown ones."""
    if isinstance(document, dict):
        yield path
        for key, inner in document.items():
            if key not in {"annotations", "labels", "status", "nodeSelector", "limits"}:
                yield from places(inner, (*path, key))
    elif isinstance(document, list):
        for number, inner in enumerate(document):
            yield from places(inner, (*path, number))


async def test_no_field_that_is_not_known_is_passed_over_wherever_it_stands(gcloud: Gcloud) -> None:
    full = copy.deepcopy(DEPLOYED)
    [container] = full["spec"]["template"]["spec"]["template"]["spec"]["containers"]
    source = {"secretKeyRef": {"name": "s", "key": "latest"}}
    container |= {
        "env": [{"name": "A", "value": "b"}, {"name": "S", "valueFrom": source}],
        "resources": {"limits": {"cpu": "1"}},
    }
    assert len(list(places(full))) > 10
    for path in places(full):
        document = copy.deepcopy(full)
        inner = document
        for step in path:
            inner = inner[step]
        inner["nonsense"] = "x"
        status, reply = await gcloud.send("POST", "jobs", document)
        assert (status, "nonsense" in str(reply)) == (400, True), (path, reply)
    assert (await gcloud.call("GET", "jobs"))["items"] == []
