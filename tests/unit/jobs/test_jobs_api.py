"""The methods on jobs, executions and tasks, through the router."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jubako.boxes.jobs import retention, states
from jubako.boxes.jobs.launch import LaunchSettings, slots_for
from jubako.core.errors import Unavailable
from jubako.identity.secrets import SecretStore
from jubako.testing.runtime import exited
from jubako.wire.run_types import Container, ResourceRequirements

PARENT = "projects/p/locations/l"
JOB = f"{PARENT}/jobs/hello"


async def test_a_created_job_is_returned_with_googles_defaults(box: Any) -> None:
    operation = await box.create(container={"args": ["x"]}, labels={"team": "a"})
    assert operation["done"]
    assert operation["response"]["@type"] == "type.googleapis.com/google.cloud.run.v2.Job"
    job = await box.get(JOB)
    assert job["template"] == {
        "labels": {"team": "a"},
        "taskCount": 1,
        "template": {
            "containers": [{"command": ["true"], "args": ["x"]}],
            "maxRetries": 3,
            "timeout": "600s",
        },
    }
    assert job["name"] == JOB
    assert (job["generation"], job["observedGeneration"], job["creator"]) == ("1", "1", "local")
    assert job["terminalCondition"]["state"] == "CONDITION_SUCCEEDED"
    assert {"uid", "etag", "createTime", "updateTime"} <= job.keys()


async def test_no_retries_is_kept_apart_from_unset(box: Any) -> None:
    await box.create(task={"maxRetries": 0})
    assert (await box.get(JOB))["template"]["template"]["maxRetries"] == 0


async def test_a_second_create_is_refused_and_the_first_stays(box: Any) -> None:
    await box.create(container={"args": ["first"]})
    error = await box.refusal(
        "POST",
        f"/v2/{PARENT}/jobs",
        {"template": {"template": {"containers": [{"command": ["x"]}]}}},
        "jobId=hello",
    )
    assert (error["code"], error["status"]) == (409, "ALREADY_EXISTS")
    assert (await box.get(JOB))["template"]["template"]["containers"][0]["args"] == ["first"]


async def test_validate_only_checks_and_changes_nothing(box: Any) -> None:
    await box.call(
        "POST",
        f"/v2/{PARENT}/jobs",
        {"template": {"template": {"containers": [{"command": ["x"]}]}}},
        "jobId=hello&validateOnly=true",
    )
    assert not await box.exists(JOB)
    await box.create()
    rehearsed = await box.call("POST", f"/v2/{JOB}:run", {"validateOnly": True})
    assert rehearsed["metadata"]["taskCount"] == 1
    # Nobody can ask for this operation again, and ``result()`` of Google's clients does so until it is done.
    assert rehearsed["done"]
    assert rehearsed["response"] == rehearsed["metadata"]
    assert not await box.exists(rehearsed["metadata"]["name"])
    assert (await box.get(JOB)).get("executionCount", 0) == 0
    error = await box.refusal("DELETE", f"/v2/{PARENT}/jobs/none", query="validateOnly=true")
    assert error["status"] == "NOT_FOUND"
    await box.call("DELETE", f"/v2/{JOB}", query="validateOnly=true")
    assert await box.exists(JOB)


async def test_an_update_is_a_new_generation_and_needs_the_right_etag(box: Any) -> None:
    await box.create()
    job = await box.get(JOB)
    job["template"]["taskCount"] = 3
    await box.call("PATCH", f"/v2/{JOB}", job)
    after = await box.get(JOB)
    assert (after["generation"], after["template"]["taskCount"]) == ("2", 3)
    error = await box.refusal("PATCH", f"/v2/{JOB}", job)
    assert (error["code"], error["status"]) == (409, "ABORTED")
    error = await box.refusal("DELETE", f"/v2/{JOB}", query=f"etag={job['etag']}")
    assert error["status"] == "ABORTED"


async def test_an_update_of_a_missing_job_creates_it_only_if_that_is_allowed(box: Any, make_job: Any) -> None:
    body = {**make_job(), "name": JOB}
    assert (await box.refusal("PATCH", f"/v2/{JOB}", body))["status"] == "NOT_FOUND"
    await box.call("PATCH", f"/v2/{JOB}", body, "allowMissing=true")
    assert (await box.get(JOB))["generation"] == "1"


async def test_jobs_are_listed_in_pages_of_one_place(box: Any, make_job: Any) -> None:
    for name in ("c", "a", "b"):
        await box.create(name)
    await box.call("POST", "/v2/projects/p/locations/elsewhere/jobs", make_job(), "jobId=d")
    first = await box.call("GET", f"/v2/{PARENT}/jobs", query="pageSize=2")
    assert [job["name"].rsplit("/", 1)[1] for job in first["jobs"]] == ["a", "b"]
    second = await box.call(
        "GET", f"/v2/{PARENT}/jobs", query=f"pageSize=2&pageToken={first['nextPageToken']}"
    )
    assert [job["name"].rsplit("/", 1)[1] for job in second["jobs"]] == ["c"]
    assert "nextPageToken" not in second


async def pages_of_tasks(box: Any, parent: str) -> list[str]:
    """Return the names of all tasks under ``parent``, read two at a time."""
    names, token = [], ""
    while True:
        page = await box.call("GET", f"/v2/{parent}/tasks", query=f"pageSize=2&pageToken={token}")
        assert len(page["tasks"]) <= 2
        names += [task["name"] for task in page["tasks"]]
        token = page.get("nextPageToken", "")
        if not token:
            return names


async def test_tasks_of_all_executions_and_of_all_jobs_come_in_pages(box: Any) -> None:
    tasks = []
    for name, count in (("a", 3), ("b", 1), ("c", 2)):
        await box.create(name)
        execution = (await box.run(name, {"taskCount": count}))["metadata"]["name"]
        tasks.append([f"{execution}/tasks/{execution.rsplit('/', 1)[1]}-task{n}" for n in range(count)])
    tasks[0] += await pages_of_tasks(box, (await box.run("a", {"taskCount": 2}))["metadata"]["name"])

    assert sorted(await pages_of_tasks(box, f"{PARENT}/jobs/a/executions/-")) == sorted(tasks[0])
    everything = await pages_of_tasks(box, f"{PARENT}/jobs/-/executions/-")
    assert sorted(everything) == sorted(name for names in tasks for name in names)
    assert [name for name in everything if name in tasks[2]] == tasks[2]


@pytest.mark.parametrize("parent", ["jobs/none/executions/-", "jobs/a/executions/none"])
async def test_tasks_of_what_does_not_exist_are_not_found(box: Any, parent: str) -> None:
    await box.create("a")
    assert (await box.refusal("GET", f"/v2/{PARENT}/{parent}/tasks"))["status"] == "NOT_FOUND"


@pytest.mark.parametrize("token", ["eA==", "MS94L3g="])
async def test_a_token_of_tasks_that_nobody_gave_out_is_refused(box: Any, token: str) -> None:
    path = f"/v2/{PARENT}/jobs/-/executions/-/tasks"
    assert (await box.refusal("GET", path, query=f"pageToken={token}"))["status"] == "INVALID_ARGUMENT"


async def test_an_empty_token_that_nodes_client_sends_back_is_none(box: Any, make_job: Any) -> None:
    await box.create()
    body = {**make_job(), "name": JOB, "runExecutionToken": ""}
    await box.call("PATCH", f"/v2/{JOB}", body)
    refusal = await box.refusal("PATCH", f"/v2/{JOB}", {**body, "runExecutionToken": "x"})
    assert refusal["status"] == "UNIMPLEMENTED"


async def test_overrides_hold_for_one_execution_only(box: Any) -> None:
    await box.create(
        container={"args": ["a"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        taskCount=5,
        parallelism=5,
    )
    overrides = {
        "taskCount": 2,
        "timeout": "7s",
        "containerOverrides": [
            {"args": ["b", "c"], "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}
        ],
    }
    await box.run(overrides=overrides)
    await box.settle()
    spec = box.runtime.submitted[0]
    assert spec.argv == ("true", "b", "c")
    assert {name: spec.env[name] for name in "ABC"} == {"A": "1", "B": "3", "C": "4"}
    assert (spec.env["CLOUD_RUN_TASK_COUNT"], spec.timeout.total_seconds(), spec.parallelism) == ("2", 7, 2)
    await box.run(overrides={"containerOverrides": [{"clearArgs": True}]})
    await box.settle()
    assert box.runtime.submitted[-1].argv == ("true",)
    assert (await box.get(JOB))["template"]["taskCount"] == 5


async def test_deleting_is_refused_while_something_is_under_way(box: Any) -> None:
    await box.create()
    name = (await box.run())["metadata"]["name"]
    assert (await box.refusal("DELETE", f"/v2/{name}"))["status"] == "FAILED_PRECONDITION"
    error = await box.refusal("DELETE", f"/v2/{JOB}")
    assert error["status"] == "FAILED_PRECONDITION"
    assert "1 executions under way" in error["message"]


async def test_a_deleted_job_takes_its_executions_and_their_output_with_it(box: Any) -> None:
    box.runtime.outcome = exited(0)
    await box.create()
    execution = (await box.run())["metadata"]
    await box.settle()
    folder = box.output_root / execution["uid"] / "0-0"
    folder.mkdir(parents=True)
    deleted = await box.call("DELETE", f"/v2/{JOB}")
    assert deleted["done"]
    assert not await box.exists(JOB)
    assert not await box.exists(execution["name"])
    assert not folder.parent.exists()
    await box.create()
    assert (await box.call("GET", f"/v2/{JOB}/executions")).get("executions", []) == []


async def test_executions_are_listed_newest_first_in_pages_and_across_jobs(box: Any) -> None:
    names = []
    for job in ("a", "b", "a"):
        if not await box.exists(f"{PARENT}/jobs/{job}"):
            await box.create(job)
        names.append((await box.run(job))["metadata"]["name"])
    path = f"/v2/{PARENT}/jobs/-/executions"
    first = await box.call("GET", path, query="pageSize=2")
    second = await box.call("GET", path, query=f"pageSize=2&pageToken={first['nextPageToken']}")
    listed = [one["name"] for one in first["executions"] + second["executions"]]
    assert sorted(listed) == sorted(names)
    of_a = await box.call("GET", f"/v2/{PARENT}/jobs/a/executions")
    assert len(of_a["executions"]) == 2


async def test_tasks_are_listed_by_index_in_pages(box: Any) -> None:
    await box.create(taskCount=12)
    name = (await box.run())["metadata"]["name"]
    first = await box.call("GET", f"/v2/{name}/tasks", query="pageSize=10")
    second = await box.call("GET", f"/v2/{name}/tasks", query=f"pageToken={first['nextPageToken']}")
    assert [task.get("index", 0) for task in first["tasks"] + second["tasks"]] == list(range(12))
    assert second["tasks"][-1]["name"].endswith("-task11")
    assert second["tasks"][-1]["labels"]["run.googleapis.com/runningState"] == "Pending"


async def test_an_image_is_kept_and_running_it_is_refused_by_name(box: Any) -> None:
    await box.create(container={"image": "gcr.io/PROJECT_ID/x"})
    assert (await box.get(JOB))["template"]["template"]["containers"][0]["image"] == "gcr.io/PROJECT_ID/x"
    error = await box.refusal("POST", f"/v2/{JOB}:run", {})
    assert error["status"] == "FAILED_PRECONDITION"
    assert "gcr.io/PROJECT_ID/x" in error["message"]
    assert (await box.call("GET", f"/v2/{JOB}/executions")).get("executions", []) == []


async def test_what_means_nothing_on_one_machine_is_kept(box: Any) -> None:
    task = {
        "serviceAccount": "me@x.iam.gserviceaccount.com",
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
        "vpcAccess": {"connector": "c"},
    }
    await box.create(container={"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}, task=task)
    kept = (await box.get(JOB))["template"]["template"]
    assert task.items() <= kept.items()
    assert kept["containers"][0]["resources"] == {"limits": {"cpu": "2", "memory": "1Gi"}}


async def test_old_executions_go_when_there_are_too_many(box: Any) -> None:
    await box.restart(executions_kept=2)
    box.runtime.outcome = exited(0)
    await box.create()
    names = []
    for _ in range(5):
        await box.clock.advance(timedelta(seconds=1))
        names.append((await box.run())["metadata"]["name"])
        await box.settle()
    listed = [one["name"] for one in (await box.call("GET", f"/v2/{JOB}/executions"))["executions"]]
    assert listed == names[:1:-1]


class NoRoomToCleanUp:
    """A store whose disk breaks once something is committed and its leftovers are to go."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def write(self, fn: Any) -> Any:
        if getattr(fn, "func", None) is retention._delete_tasks:
            raise Unavailable("The disk gave an error.")
        return await self._store.write(fn)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_what_is_committed_is_never_answered_with_an_error_that_clients_repeat(box: Any) -> None:
    store, box.store = box.store, NoRoomToCleanUp(box.store)
    await box.restart(executions_kept=1)
    box.runtime.outcome = exited(0)
    await box.create()
    uids = []
    for _ in range(3):
        await box.clock.advance(timedelta(seconds=1))
        uids.append((await box.run())["metadata"]["uid"])
        await box.settle()
    deleted = await box.call("DELETE", f"/v2/{JOB}")
    assert deleted["done"]
    box.store = store
    assert set(await retention.sweep(store, box.outputs)) == set(uids)


async def test_what_a_run_makes_superfluous_is_removed_behind_its_reply(box: Any) -> None:
    leftovers = retention.Leftovers()
    cleaning = asyncio.create_task(retention.keep_clean(box.store, box.outputs, box.clock, leftovers))
    await box.restart(executions_kept=1, leftovers=leftovers)
    box.runtime.outcome = exited(0)
    await box.create()
    uids = []
    for _ in range(4):
        await box.clock.advance(timedelta(seconds=1))
        uids.append((await box.run())["metadata"]["uid"])
        await box.settle()

    async def with_tasks() -> set[str]:
        found = await box.store.read(lambda tx: tx.all("SELECT DISTINCT execution_uid FROM job_tasks"))
        return {uid for (uid,) in found}

    async with asyncio.timeout(10):
        while not await with_tasks() <= set(uids[2:]):
            await box.clock.advance(retention.LEFTOVERS_EVERY)
    cleaning.cancel()


async def test_many_rows_of_what_was_deleted_go_by_several_transactions(
    box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 5)
    uids = [f"uid{number}" for number in range(7)]
    tasks = [(uid, index) for uid in uids for index in range(3)]
    insert = (
        "INSERT INTO job_tasks (execution_uid, task_index, state, attempt, retries) VALUES (?, ?, 'x', 0, 0)"
    )
    await box.store.write(lambda tx: tx.run_many(insert, tasks))
    left, counts = uids, []
    while left:
        left = await box.store.write(partial(retention._delete_tasks, left))
        counts.append(len(left))
    assert counts == [5, 3, 1, 0]
    assert await box.store.read(lambda tx: tx.one("SELECT COUNT(*) FROM job_tasks")) == (0,)


async def test_an_execution_that_cannot_be_read_does_not_keep_others_from_running(box: Any) -> None:
    box.runtime.outcome = exited(0)
    await box.create()
    broken = (await box.run())["metadata"]
    await box.store.write(
        lambda tx: tx.run("UPDATE job_executions SET document = '{\"x\"' WHERE uid = ?", broken["uid"])
    )
    await box.restart()  # who reads the row: the engine was told of the execution when it was made
    await box.run()
    await box.settle()
    assert box.events.named("execution.unreadable")[0].fields["execution"] == broken["name"]
    [spec] = box.runtime.submitted
    assert broken["uid"] not in spec.id
    ended = await box.get(broken["name"])
    assert "jubako.dev/unreadable" in ended["annotations"]
    assert "The stored execution cannot be read" in ended["conditions"][0]["message"]
    assert ended["failedCount"] == 1
    assert (await box.call("DELETE", f"/v2/{broken['name']}"))["done"]


@pytest.mark.parametrize(
    ("limits", "parallelism", "live"),
    [
        ({}, 0, 8),
        ({"cpu": "2"}, 0, 4),
        ({"cpu": "500m"}, 0, 8),
        ({"memory": "1Gi"}, 0, 3),
        ({"memory": "1G", "cpu": "1"}, 0, 4),
        ({"cpu": "64"}, 0, 1),
        ({"cpu": "64"}, 5, 5),
    ],
)
def test_a_job_is_as_parallel_as_the_machine_allows_by_what_its_tasks_ask_for(
    limits: dict[str, str], parallelism: int, live: int
) -> None:
    settings = LaunchSettings(
        slots=8, memory_bytes=4_000_000_000, output_root="/out", vault=SecretStore(Path("/nowhere"))
    )
    container = Container(command=["true"], resources=ResourceRequirements(limits=limits))
    slots = slots_for(container, settings)
    assert states.effective_parallelism(parallelism, 100, slots) == live
