"""The API's methods on services and revisions."""

from typing import Any

import pytest
from tests.unit.services.conftest import KEY, ME, NAME, PARENT, Box, template

from jubako.boxes.services.resources import (
    CreateServiceRequest,
    DeleteServiceRequest,
    GetRevisionRequest,
    GetServiceRequest,
    ListRevisionsRequest,
    ListServicesRequest,
    Revision,
    Service,
    TrafficTargetAllocationType,
    UpdateServiceRequest,
)
from jubako.core.errors import (
    Aborted,
    AlreadyExists,
    InvalidArgument,
    NotFound,
)
from jubako.runtime.port import Reason
from jubako.wire import codec
from jubako.wire.addresses import service_host
from jubako.wire.gateway import ServiceName
from jubako.wire.google_types import Operation
from jubako.wire.method import Caller
from jubako.wire.run_types import Condition


def service_of(operation: Operation) -> Service:
    assert operation.done
    assert operation.response is not None
    return codec.unpack(Service, operation.response)


async def get(box: Box) -> Service:
    return await box.handlers.get_service(GetServiceRequest(name=NAME), ME)


async def revisions(box: Box, **page: Any) -> list[Revision]:
    answer = await box.handlers.list_revisions(ListRevisionsRequest(parent=NAME, **page), ME)
    return answer.revisions


async def test_a_created_service_is_ready_at_once_and_has_its_addresses_and_defaults(box: Box) -> None:
    created = service_of(await box.create(description="d", labels={"a": "b"}))
    assert created == await get(box)
    assert created.name == NAME
    assert created.uri == f"https://{service_host('p', 'l', 'web')}"
    assert created.urls == [created.uri, "http://127.0.0.1:8123/run/p/l/web"]
    assert created.latest_ready_revision == created.latest_created_revision
    assert created.latest_ready_revision.startswith(f"{NAME}/revisions/web-00001-")
    assert created.terminal_condition is not None
    assert created.terminal_condition.type == "Ready"
    assert created.terminal_condition.state is Condition.State.CONDITION_SUCCEEDED
    latest = TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
    assert [(t.type, t.percent) for t in created.traffic] == [(latest, 100)]
    assert [(t.type, t.percent) for t in created.traffic_statuses] == [(latest, 100)]
    assert created.template is not None
    assert created.template.timeout is not None
    assert created.template.timeout.total_seconds() == 300
    assert created.template.max_instance_request_concurrency == 80
    assert (created.creator, created.generation, created.observed_generation) == ("me@example.com", 1, 1)


async def test_the_service_is_found_by_its_host_name(box: Box) -> None:
    created = service_of(await box.create())
    host = created.uri.removeprefix("https://")
    assert await box.gateway.locate(host.upper()) == ServiceName("p", "l", "web")
    assert await box.gateway.locate("other.run.app") is None


async def test_a_name_is_taken_once(box: Box) -> None:
    await box.create()
    with pytest.raises(AlreadyExists):
        await box.create()


async def test_the_same_idempotency_key_gives_the_same_operation(box: Box) -> None:
    caller = Caller(principal="user:me@example.com", idempotency_key="k")
    request = CreateServiceRequest(
        parent=PARENT, service_id="web", service=codec.from_json(Service, {"template": template()})
    )
    first = await box.handlers.create_service(request, caller)
    assert await box.handlers.create_service(request, caller) == first


async def test_only_a_changed_template_is_a_new_revision(box: Box) -> None:
    await box.create()
    same = service_of(await box.update(template=template(), labels={"a": "b"}))
    assert (same.generation, same.labels) == (2, {"a": "b"})
    assert len(await revisions(box)) == 1
    changed = service_of(await box.update(template=template(args=["2"])))
    assert changed.generation == 3
    found = await revisions(box)
    assert [revision.name.rpartition("/")[2][:9] for revision in found] == ["web-00002", "web-00001"]
    assert found[0].name == changed.latest_ready_revision
    assert [revision.containers[0].args for revision in found] == [["2"], []]


async def test_a_mask_changes_what_it_names_and_nothing_else(box: Box) -> None:
    await box.create(description="old", labels={"a": "b"})
    after = service_of(await box.update(("description",), description="new", labels={"x": "y"}))
    assert (after.description, after.labels) == ("new", {"a": "b"})
    after = service_of(
        await box.update(("template.containers",), template=template(args=["2"]), description="unseen")
    )
    assert after.description == "new"
    assert after.template is not None
    assert after.template.containers[0].args == ["2"]
    assert after.template.max_instance_request_concurrency == 80
    after = service_of(await box.update(("scaling.max_instance_count",), scaling={"maxInstanceCount": 3}))
    assert after.scaling is not None
    assert after.scaling.max_instance_count == 3


@pytest.mark.parametrize(
    "path", ["uri", "no_such", "template.no_such", "labels.a", "template.containers.args"]
)
async def test_a_mask_that_names_what_cannot_be_changed_is_refused(box: Box, path: str) -> None:
    await box.create()
    with pytest.raises(InvalidArgument, match="update_mask"):
        await box.update((path,), template=template())


async def test_without_a_mask_everything_is_replaced(box: Box) -> None:
    await box.create(description="old", labels={"a": "b"})
    after = service_of(await box.update(template=template()))
    assert (after.description, after.labels) == ("", {})


async def test_an_old_etag_is_refused(box: Box) -> None:
    etag = service_of(await box.create()).etag
    await box.update(template=template(), etag=etag)
    with pytest.raises(Aborted):
        await box.update(template=template(args=["2"]), etag=etag)
    with pytest.raises(Aborted):
        await box.handlers.delete_service(DeleteServiceRequest(name=NAME, etag=etag), ME)


async def test_an_update_creates_what_is_missing_only_if_it_may(box: Box) -> None:
    given = codec.from_json(Service, {"name": NAME, "template": template()})
    with pytest.raises(NotFound):
        await box.handlers.update_service(UpdateServiceRequest(service=given), ME)
    created = await box.handlers.update_service(UpdateServiceRequest(service=given, allow_missing=True), ME)
    assert service_of(created).generation == 1


async def test_a_rehearsal_checks_everything_and_changes_nothing(box: Box) -> None:
    given = codec.from_json(Service, {"template": template()})
    request = CreateServiceRequest(parent=PARENT, service_id="web", service=given, validate_only=True)
    assert service_of(await box.handlers.create_service(request, ME)).name == NAME
    with pytest.raises(NotFound):
        await get(box)
    await box.create()
    with pytest.raises(AlreadyExists):
        await box.handlers.create_service(request, ME)
    await box.handlers.delete_service(DeleteServiceRequest(name=NAME, validate_only=True), ME)
    assert (await get(box)).name == NAME


async def test_a_deleted_service_is_gone_with_its_revisions_and_its_name_is_free(box: Box) -> None:
    first = service_of(await box.create())
    gone = service_of(await box.delete())
    assert gone.delete_time is not None
    for question in (get(box), revisions(box), box.delete()):
        with pytest.raises(NotFound):
            await question
    assert service_of(await box.create()).uid != first.uid


async def test_lists_come_in_pages(box: Box) -> None:
    for name in ("c", "a", "b"):
        await box.create(name)
    found, token = [], ""
    for _ in range(3):
        request = ListServicesRequest(parent=PARENT, page_size=1, page_token=token)
        answer = await box.handlers.list_services(request, ME)
        found += [service.name.rpartition("/")[2] for service in answer.services]
        token = answer.next_page_token
    assert (found, token) == (["a", "b", "c"], "")


async def test_revisions_come_in_pages_newest_first(box: Box) -> None:
    await box.create()
    for number in range(3):
        await box.update(template=template(args=[str(number)]))
    first = await box.handlers.list_revisions(ListRevisionsRequest(parent=NAME, page_size=3), ME)
    rest = await box.handlers.list_revisions(
        ListRevisionsRequest(parent=NAME, page_size=3, page_token=first.next_page_token), ME
    )
    serials = [r.name.rpartition("/")[2].split("-")[1] for r in (*first.revisions, *rest.revisions)]
    assert serials == ["00004", "00003", "00002", "00001"]


async def test_a_revision_is_got_by_name(box: Box) -> None:
    name = service_of(await box.create()).latest_ready_revision
    revision = await box.handlers.get_revision(GetRevisionRequest(name=name), ME)
    assert (revision.name, revision.service, revision.containers[0].command) == (name, "web", ["/bin/web"])
    with pytest.raises(NotFound):
        await box.handlers.get_revision(GetRevisionRequest(name=f"{NAME}/revisions/web-no"), ME)


async def test_a_revision_can_be_named_by_the_caller_once(box: Box) -> None:
    named = {**template(), "revision": "web-blue"}
    assert service_of(await box.create(template=named)).latest_ready_revision == f"{NAME}/revisions/web-blue"
    await box.update(template=named)
    with pytest.raises(AlreadyExists):
        await box.update(template={**template(args=["2"]), "revision": "web-blue"})


async def test_a_service_whose_instance_does_not_start_says_so(box: Box) -> None:
    await box.create()
    lease = await box.admission.admit(KEY)
    box.runtime.finish(lease.attempt_id, Reason.EXITED, exit_code=3)
    await box.settle()
    condition = (await get(box)).terminal_condition
    assert condition is not None
    assert condition.state is Condition.State.CONDITION_FAILED
    assert "exited with code 3" in condition.message


async def test_what_is_refused_leaves_nothing(box: Box) -> None:
    with pytest.raises(InvalidArgument, match=r"service\.template\.containers"):
        await box.create(template={})
    with pytest.raises(NotFound):
        await get(box)
    assert await box.store.read(lambda tx: tx.all("SELECT * FROM service_revisions")) == []


async def test_a_name_must_be_a_label(box: Box) -> None:
    for name in ("", "Web", "web-", "1web", "a" * 50, "a/b"):
        with pytest.raises(InvalidArgument, match="serviceId"):
            await box.create(name)
