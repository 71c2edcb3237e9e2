"""Running again only what failed."""

from typing import Any

import pytest

from jubako.boxes.jobs.rerun import RERUN_OF
from jubako.core.errors import FailedPrecondition, InvalidArgument
from jubako.testing.runtime import exited

FAILING = {"1", "3"}


async def failed(box: Any) -> str:
    """Return the name of an execution of five tasks of which two failed."""
    box.runtime.outcome = lambda spec: exited(spec.env["CLOUD_RUN_TASK_INDEX"] in FAILING)(spec)
    await box.create(taskCount=5, task={"maxRetries": 0})
    name: str = (await box.run())["metadata"]["name"]
    await box.settle()
    box.runtime.outcome = exited(0)
    box.runtime.submitted.clear()
    return name


async def test_only_what_failed_runs_again_and_the_rest_is_carried_over(box: Any) -> None:
    first = await failed(box)
    operation = await box.rerun(first)
    await box.settle()
    execution = await box.get(operation["metadata"]["name"])
    assert execution["name"] != first
    assert execution["annotations"][RERUN_OF] == first
    assert execution["succeededCount"] == 5
    assert (await box.operation(operation["name"]))["response"]["succeededCount"] == 5
    assert [spec.env["CLOUD_RUN_TASK_INDEX"] for spec in box.runtime.submitted] == ["1", "3"]
    assert {spec.env["CLOUD_RUN_TASK_COUNT"] for spec in box.runtime.submitted} == {"5"}
    tasks = (await box.call("GET", f"/v2/{execution['name']}/tasks"))["tasks"]
    carried = ["Carried over" in task["conditions"][0].get("message", "") for task in tasks]
    assert carried == [True, False, True, False, True]
    assert (await box.extra_json(f"{tasks[0]['name']}/attempts"))["attempts"] == []
    assert (await box.get(first))["failedCount"] == 2


async def test_chosen_tasks_run_again_and_the_others_keep_their_end_good_or_bad(box: Any) -> None:
    first = await failed(box)
    operation = await box.rerun(first, {"tasks": "0, 3-4"})
    await box.settle()
    execution = await box.get(operation["metadata"]["name"])
    assert (execution["succeededCount"], execution["failedCount"]) == (4, 1)
    assert [spec.env["CLOUD_RUN_TASK_INDEX"] for spec in box.runtime.submitted] == ["0", "3", "4"]


async def test_a_rerun_of_a_cancelled_execution_resumes_it(box: Any) -> None:
    await box.create(taskCount=600, parallelism=1)
    first = (await box.run())["metadata"]["name"]
    await box.settle()
    box.runtime.finish(next(iter(box.runtime.live)))
    await box.settle()
    await box.call("POST", f"/v2/{first}:cancel", {})
    await box.settle()
    box.runtime.outcome = exited(0)
    operation = await box.rerun(first)
    execution = await box.get(operation["metadata"]["name"])
    assert execution["succeededCount"] == 1
    await box.settle()
    assert (await box.get(execution["name"]))["succeededCount"] == 600


async def test_the_same_key_starts_one_rerun(box: Any) -> None:
    first = await failed(box)
    answers = [await box.rerun(first, key="k") for _ in range(3)]
    assert len({answer["metadata"]["name"] for answer in answers}) == 1


async def test_what_is_under_way_or_has_no_failure_is_not_run_again(box: Any) -> None:
    await box.create()
    name = (await box.run())["metadata"]["name"]
    with pytest.raises(FailedPrecondition, match="under way"):
        await box.rerun(name)
    await box.settle()
    box.runtime.finish(next(iter(box.runtime.live)))
    await box.settle()
    with pytest.raises(FailedPrecondition, match="did not succeed"):
        await box.rerun(name)


@pytest.mark.parametrize("tasks", ["x", "-1", "3-", "5-3", "1,,2", "7", "0-99999999", "٣"])
async def test_bad_indexes_name_the_field(box: Any, tasks: str) -> None:
    first = await failed(box)
    with pytest.raises(InvalidArgument, match="tasks"):
        await box.rerun(first, {"tasks": tasks})
