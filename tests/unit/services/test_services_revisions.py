"""A new revision gets the requests when it listens; one that does not start leaves them to the one before."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.services.conftest import KEY, NAME, Box, template

from jubako.boxes.services.admission import HANDOVER
from jubako.boxes.services.resources import DeleteRevisionRequest, GetServiceRequest, Service
from jubako.core.errors import Aborted, FailedPrecondition, NotFound
from jubako.testing.runtime import exited
from jubako.wire.google_types import Operation
from jubako.wire.method import Caller
from jubako.wire.run_types import Condition

DEADLINE = 20
TOKEN = {"name": "TOKEN", "valueSource": {"secretKeyRef": {"secret": "token", "version": "latest"}}}


async def service(box: Box) -> Service:
    request = GetServiceRequest(name=NAME)
    shown: Service = await box.handlers.get_service(request, Caller(principal="user:me"))
    return shown


async def served(box: Box) -> str:
    """Return the attempt that serves a request."""
    lease = await box.admission.admit(KEY)
    lease.release()
    return lease.attempt_id


async def deployed_once(box: Box) -> str:
    await box.create()
    return await served(box)


async def test_a_broken_revision_does_not_end_the_one_that_serves(box: Box) -> None:
    old = await deployed_once(box)
    box.listens_at_once = False
    box.runtime.outcome = exited(1)
    await box.update(template=template(args=["broken"]))
    async with asyncio.timeout(DEADLINE):
        assert await served(box) == old
    for _ in range(3):
        await box.settle()
    assert list(box.runtime.live) == [old]
    assert len(box.runtime.submitted) == 2
    shown = await service(box)
    assert shown.terminal_condition is not None
    assert shown.terminal_condition.state is Condition.State.CONDITION_FAILED
    assert (
        "exited with code 1; 1 failed in a row. The revision before goes on"
        in shown.terminal_condition.message
    )
    assert shown.latest_ready_revision.rsplit("/", 1)[1] in old
    assert shown.latest_created_revision != shown.latest_ready_revision


async def test_a_repaired_revision_takes_over(box: Box) -> None:
    old = await deployed_once(box)
    box.runtime.outcome = exited(1)
    box.listens_at_once = False
    await box.update(template=template(args=["broken"]))
    await box.settle()
    box.runtime.outcome = lambda _: None
    box.listens_at_once = True
    await box.update(template=template(args=["mended"]))
    async with asyncio.timeout(DEADLINE):
        new = await served(box)
        while old in box.runtime.live:
            await box.settle()
    assert "/web-00003-" in new
    shown = await service(box)
    assert shown.latest_ready_revision == shown.latest_created_revision


async def test_a_slow_revision_is_waited_for_a_moment_and_then_the_old_one_serves(box: Box) -> None:
    old = await deployed_once(box)
    box.listens_at_once = False
    await box.update(template=template(args=["slow"]))
    shown = await service(box)
    assert (shown.reconciling, shown.terminal_condition and shown.terminal_condition.message) == (
        True,
        "Deploying the revision.",
    )
    waiting = asyncio.create_task(served(box))
    await box.settle()
    assert not waiting.done()
    async with asyncio.timeout(DEADLINE):
        await box.clock.advance(HANDOVER + timedelta(seconds=1))
        assert await waiting == old
    box.listens_at_once = True
    async with asyncio.timeout(DEADLINE):
        while old in box.runtime.live:
            await box.clock.advance(timedelta(seconds=1))
            await box.settle()
    assert "/web-00002-" in await served(box)


async def test_a_try_that_was_lost_with_its_supervisor_is_made_again(box: Box) -> None:
    await deployed_once(box)
    box.listens_at_once = False
    await box.update(template=template(args=["new"]))
    await box.settle()
    box.runtime.forget()
    box.listens_at_once = True
    await box.restart()
    async with asyncio.timeout(DEADLINE):
        assert "/web-00002-" in await served(box)


async def test_a_revision_that_cannot_run_here_is_not_tried_again_and_again(box: Box) -> None:
    old = await deployed_once(box)
    await box.update(template={"containers": [{"image": "gcr.io/x/y"}]})
    async with asyncio.timeout(DEADLINE):
        assert await served(box) == old
    for _ in range(5):
        await box.settle()
    shown = await service(box)
    assert shown.terminal_condition is not None
    assert "cannot run images" in shown.terminal_condition.message
    assert "; 1 failed in a row" in shown.terminal_condition.message


async def secret(box: Box, value: bytes) -> None:
    box.vault.create("p", "token")
    box.vault.add_version("p", "token", value)


async def test_variables_from_secrets_and_limits_reach_the_instance(box: Box) -> None:
    await secret(box, b"canary")
    limits = {"cpu": "500m", "memory": "512Mi"}
    operation = await box.create(template=template(env=[TOKEN], resources={"limits": limits}))
    await served(box)
    [spec] = box.runtime.submitted
    assert (spec.env["TOKEN"], spec.cpus, spec.memory_bytes) == ("canary", 0.5, 512 << 20)
    assert "canary" not in str(operation)
    assert "canary" not in str(await service(box))


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_service_with_a_secret_that_does_not_exist_is_refused_by_name(box: Box, is_new: bool) -> None:
    if not is_new:
        await box.create()

    async def deploy() -> Operation:
        return await (box.create if is_new else box.update)(template=template(env=[TOKEN]))

    with pytest.raises(FailedPrecondition, match="'projects/p/secrets/token/versions/latest'"):
        await deploy()
    if is_new:
        with pytest.raises(NotFound):
            await service(box)


async def test_a_secret_that_goes_later_is_told_to_who_asks_and_the_next_value_is_used(box: Box) -> None:
    await secret(box, b"old")
    await box.create(template=template(env=[TOKEN]))
    box.vault.delete("p", "token")
    with pytest.raises(FailedPrecondition, match="token"):
        await served(box)
    await secret(box, b"new")
    await served(box)
    assert [spec.env["TOKEN"] for spec in box.runtime.submitted] == ["new"]


@pytest.mark.parametrize(
    ("limits", "said"),
    [({"memory": "9Gi"}, "asks for 9.0 GiB, and this machine has 8.0 GiB")],
)
async def test_more_memory_than_there_is_cannot_be_started(box: Box, limits: Any, said: str) -> None:
    await box.create(template=template(resources={"limits": limits}))
    with pytest.raises(FailedPrecondition, match=said):
        await served(box)


async def delete_revision(box: Box, name: str, **given: Any) -> Operation:
    request = DeleteRevisionRequest(name=name, **given)
    return await box.handlers.delete_revision(request, Caller(principal="user:me"))


async def test_only_a_revision_without_requests_is_deleted_and_its_name_is_gone(box: Box) -> None:
    await deployed_once(box)
    old = (await service(box)).latest_created_revision
    with pytest.raises(FailedPrecondition, match="deploy another one first"):
        await delete_revision(box, old)
    await box.update(template=template(args=["new"]))
    async with asyncio.timeout(DEADLINE):
        new = await served(box)
        while "/web-00001-" in "".join(box.runtime.live):
            await box.settle()
    with pytest.raises(Aborted, match="another etag"):
        await delete_revision(box, old, etag="other")
    await delete_revision(box, old, validate_only=True)
    operation = await delete_revision(box, old)
    assert operation.done
    assert operation.response is not None
    assert operation.response["name"] == old
    assert "deleteTime" in operation.response
    with pytest.raises(NotFound, match=old):
        await delete_revision(box, old)
    with pytest.raises(FailedPrecondition):
        await delete_revision(box, (await service(box)).latest_created_revision)
    assert await served(box) == new


async def test_the_revision_that_serves_beside_a_broken_one_is_not_deleted(box: Box) -> None:
    await deployed_once(box)
    old = (await service(box)).latest_ready_revision
    box.runtime.outcome = exited(1)
    box.listens_at_once = False
    await box.update(template=template(args=["broken"]))
    await box.settle()
    with pytest.raises(FailedPrecondition, match="gets the requests"):
        await delete_revision(box, old)
