"""Starting, sharing, replacing and ending instances; no process and no socket."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.services.conftest import KEY, Box, template

from jubako.boxes.services import instance_rows, outputs
from jubako.boxes.services.instance_rows import Place
from jubako.boxes.services.rows import ServiceKey
from jubako.core.errors import FailedPrecondition, NotFound, Unavailable
from jubako.runtime.instances import InstanceState
from jubako.runtime.port import Reason
from jubako.testing.runtime import exited

DEADLINE = 10


async def states_of(box: Box) -> list[InstanceState]:
    return [resident.instance.state for resident in await box.store.read(instance_rows.live)]


async def test_the_first_request_starts_an_attempt_with_its_port_and_name(box: Box) -> None:
    await box.create(template=template(args=["--x"], env=[{"name": "A", "value": "b"}], workingDir="/srv"))
    async with asyncio.timeout(DEADLINE):
        lease = await box.admission.admit(KEY)
    (spec,) = box.runtime.submitted
    assert spec.argv == ("/bin/web", "--x")
    assert spec.env["PORT"] == str(lease.port)
    assert spec.env["PATH"] == "/bin"
    assert spec.env["A"] == "b"
    revision = spec.env["K_REVISION"]
    assert revision.startswith("web-00001-")
    assert (spec.env["K_SERVICE"], spec.env["K_CONFIGURATION"]) == ("web", "web")
    assert spec.cwd == "/srv"
    assert spec.timeout is None
    owner, _, name, number, attempt = spec.id.split("/")
    assert (owner, name, number, attempt) == ("services", revision, "0", "1")
    assert spec.output.endswith(f"/{revision}/0-1")


async def test_many_first_requests_share_one_attempt(box: Box) -> None:
    await box.create()
    async with asyncio.timeout(DEADLINE):
        leases = await asyncio.gather(*(box.admission.admit(KEY) for _ in range(50)))
    assert len(box.runtime.submitted) == 1
    assert {lease.port for lease in leases} == {leases[0].port}
    assert box.engine.leases.count(leases[0].attempt_id) == 50


async def test_a_service_that_is_not_there_is_not_found(box: Box) -> None:
    with pytest.raises(NotFound):
        await box.admission.admit(KEY)


async def test_an_image_cannot_be_started(box: Box) -> None:
    await box.create(template={"containers": [{"image": "gcr.io/p/i"}]})
    with pytest.raises(FailedPrecondition, match=r"gcr\.io/p/i"):
        await box.admission.admit(KEY)
    assert box.runtime.submitted == []


async def test_a_start_that_fails_is_told_to_all_who_wait_with_reason_place_and_time(box: Box) -> None:
    await box.create()
    box.listens_at_once = False
    box.runtime.outcome = exited(7)
    async with asyncio.timeout(DEADLINE):
        errors = await asyncio.gather(*(box.admission.admit(KEY) for _ in range(5)), return_exceptions=True)
    for error in errors:
        assert isinstance(error, Unavailable)
        assert "exited with code 7" in error.message
        assert "/out/" in error.message
        assert error.details[0]["retryDelay"] == "1s"
    assert len(box.runtime.submitted) == 1


async def test_a_crash_loop_waits_and_then_may_start_again(box: Box) -> None:
    await box.create()
    box.listens_at_once = False
    box.runtime.outcome = exited(7)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await box.admission.admit(KEY)
    assert len(box.runtime.submitted) == 1
    box.runtime.outcome = lambda _: None
    box.listens_at_once = True
    await box.clock.advance(timedelta(seconds=1))
    async with asyncio.timeout(DEADLINE):
        await box.admission.admit(KEY)
    assert len(box.runtime.submitted) == 2
    assert box.runtime.submitted[0].env["PORT"] != box.runtime.submitted[1].env["PORT"]


async def test_a_lost_start_is_made_up_for_while_the_request_waits(box: Box) -> None:
    await box.create()
    box.listens_at_once = False
    waiting = asyncio.create_task(box.admission.admit(KEY))
    async with asyncio.timeout(DEADLINE):
        await box.clock.wait_for_sleepers(2)
    box.runtime.lose(list(box.runtime.live))
    box.listens_at_once = True
    async with asyncio.timeout(DEADLINE):
        lease = await waiting
    assert lease.attempt == 2


async def test_one_that_does_not_listen_in_time_is_ended_and_told(box: Box) -> None:
    await box.create()
    box.listens_at_once = False
    waiting = asyncio.create_task(box.admission.admit(KEY))
    async with asyncio.timeout(DEADLINE):
        await box.clock.wait_for_sleepers(2)
    for _ in range(2_000):
        if waiting.done():
            break
        await box.clock.advance(timedelta(seconds=0.2))
    with pytest.raises(Unavailable, match="did not listen on PORT=40001 within 240s"):
        await waiting
    await box.settle()
    assert box.runtime.live == {}


async def test_a_restarted_server_uses_what_lives_at_its_port(box: Box) -> None:
    await box.create()
    before = await box.admission.admit(KEY)
    await box.restart()
    after = await box.admission.admit(KEY)
    assert (after.attempt, after.port) == (before.attempt, before.port)
    assert len(box.runtime.submitted) == 1


async def test_a_claim_that_never_reached_the_runtime_is_submitted_after_the_restart(box: Box) -> None:
    await box.create()
    await box.leave()
    waiting = asyncio.create_task(box.admission.admit(KEY))
    async with asyncio.timeout(DEADLINE):
        while not await states_of(box):
            await box.clock.advance(timedelta(0))
    assert await states_of(box) == [InstanceState.QUEUED]
    assert box.runtime.submitted == []
    box.build()
    await box.enter()
    async with asyncio.timeout(DEADLINE):
        await waiting
    assert len(box.runtime.submitted) == 1


async def test_what_the_runtime_has_forgotten_is_lost_and_starts_anew(box: Box) -> None:
    await box.create()
    await box.admission.admit(KEY)
    await box.leave()
    box.runtime.forget()
    await box.store.write(lambda tx: tx.run("DELETE FROM facts"))
    box.build()
    await box.enter()
    await box.settle()
    async with asyncio.timeout(DEADLINE):
        lease = await box.admission.admit(KEY)
    assert lease.attempt == 2


async def test_a_new_revision_gets_the_requests_and_the_old_instance_ends_when_it_is_idle(box: Box) -> None:
    await box.create()
    old = await box.admission.admit(KEY)
    await box.update(template=template(args=["2"]))
    new = await box.admission.admit(KEY)
    assert new.place.revision.startswith("web-00002-")
    await box.settle()
    assert old.attempt_id in box.runtime.live
    old.release()
    async with asyncio.timeout(DEADLINE):
        while old.attempt_id in box.runtime.live:
            await box.settle()
    assert list(box.runtime.live) == [new.attempt_id]


async def test_a_deleted_service_is_ended_at_once_and_leaves_nothing(box: Box) -> None:
    await box.create()
    await box.admission.admit(KEY)
    await box.delete()
    await box.settle()
    assert box.runtime.live == {}
    assert await box.store.read(lambda tx: tx.all("SELECT * FROM service_instances")) == []
    with pytest.raises(NotFound):
        await box.admission.admit(KEY)


async def test_one_who_waits_for_a_service_that_is_deleted_is_told(box: Box) -> None:
    await box.create()
    box.listens_at_once = False
    waiting = asyncio.create_task(box.admission.admit(KEY))
    async with asyncio.timeout(DEADLINE):
        await box.clock.wait_for_sleepers(2)
    await box.delete()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(NotFound):
            await waiting


async def test_one_who_waits_is_served_by_the_revision_that_replaced_the_one_it_waited_for(box: Box) -> None:
    await box.create()
    box.listens_at_once = False
    waiting = asyncio.create_task(box.admission.admit(KEY))
    async with asyncio.timeout(DEADLINE):
        await box.clock.wait_for_sleepers(2)
    box.listens_at_once = True
    await box.update(template=template(args=["2"]))
    async with asyncio.timeout(DEADLINE):
        assert (await waiting).place.revision.startswith("web-00002-")


async def test_two_instances_never_get_one_port(box: Box) -> None:
    await box.create("web")
    await box.create("other")
    first = await box.admission.admit(KEY)
    box._next_port = first.port - 1
    second = await box.admission.admit(ServiceKey("p", "l", "other"))
    assert first.port != second.port


async def test_a_crash_of_one_that_served_for_long_costs_no_wait(box: Box) -> None:
    await box.create()
    lease = await box.admission.admit(KEY)
    await box.clock.advance(timedelta(minutes=5))
    box.runtime.finish(lease.attempt_id, Reason.EXITED, term_signal=11)
    await box.settle()
    async with asyncio.timeout(DEADLINE):
        assert (await box.admission.admit(KEY)).attempt == 2


async def test_events_of_nobody_are_passed_over(box: Box) -> None:
    for attempt_id in ("services/none/none/0/1", "services/x", "services/a/b/c/d"):
        await box.runtime.reconcile([attempt_id])
    await box.settle()
    assert await box.store.read(lambda tx: tx.all("SELECT * FROM service_instances")) == []


async def test_a_revision_that_cannot_be_read_holds_up_no_other(box: Box) -> None:
    await box.create("web")
    await box.create("other")
    await box.leave()
    waiting = asyncio.create_task(box.admission.admit(KEY))
    async with asyncio.timeout(DEADLINE):
        while not await states_of(box):
            await box.clock.advance(timedelta(0))
        spoil = "UPDATE service_revisions SET document = '{\"x\":1}' WHERE revision LIKE 'web-%'"
        await box.store.write(lambda tx: tx.run(spoil))
        box.build()
        await box.enter()
        await box.admission.admit(ServiceKey("p", "l", "other"))
    assert box.events.named("service.revision_unreadable")
    waiting.cancel()


def test_only_the_output_of_the_newest_attempts_is_kept(tmp_path: Path) -> None:
    place = Place("uid", "web-00001-abc")
    folder = tmp_path / "uid" / "web-00001-abc"
    for name in ("0-1", "0-2", "0-7", "0-8", "1-1", "0-x"):
        (folder / name).mkdir(parents=True)
    outputs.prune(str(tmp_path), place, 9)
    assert sorted(entry.name for entry in folder.iterdir()) == ["0-7", "0-8", "0-x", "1-1"]
    outputs.prune(str(tmp_path / "missing"), place, 9)


def test_output_of_services_that_are_gone_is_swept_away(tmp_path: Path) -> None:
    for name in ("kept", "gone"):
        (tmp_path / name / "r" / "0-1").mkdir(parents=True)
    outputs.sweep(str(tmp_path), {"kept"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]
