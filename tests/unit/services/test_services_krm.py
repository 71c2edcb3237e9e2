"""Cloud Run v1 documents of services, as gcloud 528 sends them."""

import copy
from typing import Any

import msgspec
import pytest

from jubako.boxes.services.handlers import HandlerPorts
from jubako.boxes.services.krm_routes import KrmRoutes
from jubako.core.faults import NoFaults
from jubako.testing.access import Everybody
from jubako.testing.events import RecordedEvents
from jubako.testing.ids import SeededIds
from jubako.wire.http import HttpRequest
from jubako.wire.method import Api, Caller
from jubako.wire.rest import Router

BASE = "/apis/serving.knative.dev/v1/namespaces/p"
DEPLOYED: dict[str, Any] = {
    "apiVersion": "serving.knative.dev/v1",
    "kind": "Service",
    "metadata": {
        "name": "web",
        "namespace": "p",
        "annotations": {"run.googleapis.com/client-name": "gcloud"},
    },
    "spec": {
        "template": {
            "metadata": {
                "annotations": {
                    "autoscaling.knative.dev/maxScale": "3",
                    "run.googleapis.com/startup-cpu-boost": "True",
                },
                "labels": {"client.knative.dev/nonce": "aaa_bbb_ccc"},
            },
            "spec": {
                "containerConcurrency": 10,
                "containers": [
                    {"image": "local", "command": ["/bin/web"], "ports": [{"containerPort": 8080}]}
                ],
            },
        }
    },
}


class Gcloud:
    def __init__(self, box) -> None:
        ports = HandlerPorts(
            store=box.store,
            ids=SeededIds(),
            faults=NoFaults(),
            secrets=box.vault,
            base_url="http://127.0.0.1:8123",
        )
        documents = KrmRoutes(ports).routes()
        api = Api(name="run", version="v1", hosts=(), methods=(), handlers={}, documents=documents)
        self.router = Router([api], Everybody(), RecordedEvents())

    async def send(
        self, verb: str, path: str, body: Any = None, query: str = "", host: str = "l-run.googleapis.com"
    ) -> tuple[int, dict[str, Any]]:
        request = HttpRequest(
            method=verb,
            path=path if path.startswith("/v1") else f"{BASE}/{path}",
            query=query,
            headers={"host": host},
            body=b"" if body is None else msgspec.json.encode(body),
        )
        response = await self.router.handle(request, Caller(principal="user:me@example.com"))
        return response.status, msgspec.json.decode(response.body)

    async def call(self, *what: Any, **how: Any) -> dict[str, Any]:
        status, reply = await self.send(*what, **how)
        assert status == 200, reply
        return reply


@pytest.fixture
def gcloud(box) -> Gcloud:
    return Gcloud(box)


async def test_a_deployed_service_has_all_that_gcloud_reads(gcloud: Gcloud) -> None:
    created = await gcloud.call("POST", "services", DEPLOYED)
    assert created == await gcloud.call("GET", "services/web")
    status = created["status"]
    assert {one["type"]: one["status"] for one in status["conditions"]} == {
        "Ready": "True",
        "RoutesReady": "True",
        "ConfigurationsReady": "True",
    }
    assert created["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]
    assert status["traffic"][0]["revisionName"] == status["latestReadyRevisionName"]
    assert status["url"].endswith(".l.run.app")
    assert "run.googleapis.com/operation-id" not in created["metadata"]["annotations"]
    template = created["spec"]["template"]
    assert template["metadata"]["annotations"] == {"autoscaling.knative.dev/maxScale": "3"}
    assert template["spec"]["containerConcurrency"] == 10


async def test_a_document_that_is_sent_back_is_no_new_revision(gcloud: Gcloud) -> None:
    created = await gcloud.call("POST", "services", DEPLOYED)
    again = await gcloud.call("PUT", "services/web", created)
    names = [one["status"]["latestCreatedRevisionName"] for one in (created, again)]
    assert names[0] == names[1]
    changed = copy.deepcopy(again)
    changed["spec"]["template"]["spec"]["containers"][0]["args"] = ["x"]
    newer = await gcloud.call("PUT", "services/web", changed)
    assert newer["status"]["latestCreatedRevisionName"] != names[0]
    status, reply = await gcloud.send("PUT", "services/web", changed)
    assert (status, reply["error"]["status"]) == (409, "ABORTED")
    query = "labelSelector=serving.knative.dev%2Fservice+%3D+web"
    listed = await gcloud.call("GET", "revisions", query=query)
    assert len(listed["items"]) == 2
    name = listed["items"][0]["metadata"]["name"]
    assert (await gcloud.call("GET", f"revisions/{name}"))["metadata"]["name"] == name


async def test_services_are_listed_across_regions_and_deleted(gcloud: Gcloud) -> None:
    await gcloud.call("POST", "services", DEPLOYED)
    await gcloud.call("POST", "services", DEPLOYED, host="m-run.googleapis.com")
    everywhere = await gcloud.call("GET", "/v1/projects/p/locations/-/services", host="run.googleapis.com")
    assert len(everywhere["items"]) == 2
    assert len((await gcloud.call("GET", "services"))["items"]) == 1
    assert (await gcloud.send("GET", "services/web", host="run.googleapis.com"))[0] == 400
    await gcloud.call("DELETE", "services/web")
    assert (await gcloud.send("GET", "services/web"))[0] == 404


async def test_shared_traffic_and_unknown_fields_are_refused_by_name(gcloud: Gcloud) -> None:
    shared = copy.deepcopy(DEPLOYED)
    shared["spec"]["traffic"] = [
        {"latestRevision": True, "percent": 50},
        {"revisionName": "a", "percent": 50},
    ]
    status, reply = await gcloud.send("POST", "services", shared)
    assert (status, "traffic" in reply["error"]["message"]) == (501, True)
    strange = copy.deepcopy(DEPLOYED)
    strange["spec"]["template"]["spec"]["hostAliases"] = [{}]
    status, reply = await gcloud.send("POST", "services", strange)
    assert (status, "hostAliases" in reply["error"]["message"]) == (400, True)


@pytest.mark.parametrize("seconds", [2**31, 2**64, str(10**15), -(2**40)])
async def test_a_number_beyond_its_field_is_refused_by_name(gcloud: Gcloud, seconds: object) -> None:
    document = copy.deepcopy(DEPLOYED)
    document["spec"]["template"]["spec"]["timeoutSeconds"] = seconds
    status, reply = await gcloud.send("POST", "services", document)
    assert (status, reply["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "timeoutSeconds" in reply["error"]["message"]
