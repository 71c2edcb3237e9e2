"""What an older or a newer program stored: gone on with, or refused without harm to others."""

import json
from datetime import timedelta
from typing import Any

from jubako.boxes.workflows.resources import DeleteWorkflowRequest, Execution, UpdateWorkflowRequest, Workflow
from jubako.identity.access import LOCAL
from jubako.store.port import Tx

SLEEPS = """
- a: {call: sys.sleep, args: {seconds: 100}}
- b: {call: sys.sleep, args: {seconds: 100}}
- c: {return: VALUE}
"""


def snapshot_of(tx: Tx, execution: str) -> str | None:
    row = tx.one("SELECT state FROM workflow_snapshots WHERE execution = ?", execution)
    return None if row is None else str(row[0])


async def parked(house: Any, execution: Execution) -> str:
    """Return its id when it has left memory."""
    key = execution.name.rpartition("/")[2]
    with house.store.watch(f"workflows/{key}"):
        while await house.store.read(lambda tx: snapshot_of(tx, key)) is None:
            await house.clock.advance(timedelta(seconds=1))
    return key


async def test_a_snapshot_of_a_newer_format_fails_alone(house: Any) -> None:
    await house.deploy(SLEEPS.replace("VALUE", "1"))
    strange, other = await house.begin(), await house.begin()
    key = await parked(house, strange)
    await parked(house, other)
    await house.stop()

    def newer(tx: Tx) -> None:
        data = json.loads(snapshot_of(tx, key) or "")
        data["format"] += 1
        tx.run("UPDATE workflow_snapshots SET state = ? WHERE execution = ?", json.dumps(data), key)

    await house.store.write(newer)
    house.start()
    while (await house.get(strange)).state is Execution.State.ACTIVE or (
        await house.get(other)
    ).state is Execution.State.ACTIVE:
        await house.clock.advance(timedelta(seconds=1))
    failed, fine = await house.get(strange), await house.get(other)
    assert failed.state is Execution.State.FAILED
    assert json.loads(failed.error.payload)["tags"] == ["SystemError"]
    assert (fine.state, fine.result) == (Execution.State.SUCCEEDED, "1")
    told = house.events.named("workflow_execution.runner_failed")
    assert "format" in str(told[0])


async def test_a_waiting_execution_keeps_its_revision(house: Any) -> None:
    await house.deploy(SLEEPS.replace("VALUE", "old"))
    execution = await house.begin()
    await parked(house, execution)
    workflow = Workflow(
        name="projects/p/locations/l/workflows/w", source_contents="- z: {return: new}", description="other"
    )
    await house.workflows.update(UpdateWorkflowRequest(workflow=workflow), LOCAL)
    await house.restart()
    while (await house.get(execution)).state is Execution.State.ACTIVE:
        await house.clock.advance(timedelta(seconds=10))
    assert (await house.get(execution)).result == '"old"'
    assert (await house.until_final(await house.begin())).result == '"new"'


async def test_deleting_a_workflow_cancels_what_waits(house: Any) -> None:
    await house.deploy(SLEEPS.replace("VALUE", "1"))
    execution = await house.begin()
    await parked(house, execution)
    await house.workflows.delete(DeleteWorkflowRequest(name="projects/p/locations/l/workflows/w"), LOCAL)
    assert (await house.get(execution)).state is Execution.State.CANCELLED
