"""Variables from secrets: resolved when an attempt starts, refused by name when they are not there, shown nowhere."""

import base64
from typing import Any

import msgspec
import pytest

from jubako.core.errors import AlreadyExists, InvalidArgument, NotFound
from jubako.identity.secrets import VALUE_BYTES_MAX, SecretRef, SecretStore
from jubako.testing.runtime import exited
from jubako.wire.http import HttpRequest
from jubako.wire.method import Caller

CANARY = "canary-7f3a91"
JOB = "projects/p/locations/l/jobs/hello"


def env(version: str = "latest", secret: str = "token") -> dict[str, Any]:
    ref = {"secret": secret, "version": version}
    return {"env": [{"name": "TOKEN", "valueSource": {"secretKeyRef": ref}}]}


async def call(box: Any, verb: str, path: str, body: Any = None, query: str = "") -> dict[str, Any]:
    content = b"" if body is None else msgspec.json.encode(body)
    request = HttpRequest(method=verb, path=f"/jubako/v1/projects/p/secrets{path}", query=query, body=content)
    response = await box.extras.handle(request, Caller(principal="user:local"))
    assert CANARY.encode() not in response.body
    assert base64.b64encode(CANARY.encode()) not in response.body
    result: dict[str, Any] = msgspec.json.decode(response.body)
    return result


async def add(box: Any, value: str) -> dict[str, Any]:
    data = base64.b64encode(value.encode()).decode()
    return await call(box, "POST", "/token:addVersion", {"payload": {"data": data}})


async def test_a_secret_is_created_gets_versions_is_listed_and_deleted_and_no_answer_holds_its_value(
    box: Any,
) -> None:
    created = await call(box, "POST", "", {}, "secretId=token")
    assert created["name"] == "projects/p/secrets/token"
    assert (await add(box, CANARY))["name"] == "projects/p/secrets/token/versions/1"
    assert (await add(box, CANARY))["name"].endswith("/2")
    listed = (await call(box, "GET", "/token/versions"))["versions"]
    assert [one["name"][-1] for one in listed] == ["2", "1"]
    assert [one["name"] for one in (await call(box, "GET", ""))["secrets"]] == [created["name"]]
    assert await call(box, "DELETE", "/token") == {}
    with pytest.raises(NotFound):
        await call(box, "GET", "/token")


async def test_a_task_gets_the_version_that_is_newest_when_it_starts(box: Any) -> None:
    await call(box, "POST", "", {}, "secretId=token")
    await add(box, "old")
    await box.create(container=env(), task={"maxRetries": 1})
    await box.run()
    await box.settle()
    await add(box, "new")
    box.runtime.outcome = exited(0)
    box.runtime.finish(next(iter(box.runtime.live)), exit_code=1)
    await box.settle()
    assert [spec.env["TOKEN"] for spec in box.runtime.submitted] == ["old", "new"]


async def test_a_run_whose_secret_is_missing_is_refused_by_name_and_starts_nothing(box: Any) -> None:
    await box.create(container=env("3"))
    error = await box.refusal("POST", f"/v2/{JOB}:run", {})
    assert error["status"] == "FAILED_PRECONDITION"
    assert "'projects/p/secrets/token/versions/3'" in error["message"]
    assert (await box.get(JOB)).get("executionCount", 0) == 0


async def test_a_secret_that_goes_before_the_start_fails_the_task_with_its_name(box: Any) -> None:
    await call(box, "POST", "", {}, "secretId=token")
    await add(box, CANARY)
    await box.create(container=env(), task={"maxRetries": 1}, taskCount=2)
    name = (await box.run())["metadata"]["name"]
    await call(box, "DELETE", "/token")
    await box.settle()
    ended = await box.get(name)
    assert (ended["failedCount"], box.runtime.submitted) == (2, [])
    assert "projects/p/secrets/token/versions/latest' does not exist" in ended["conditions"][0]["message"]


async def test_an_attempt_the_runtime_may_have_is_not_declared_dead_because_its_secret_is_gone(
    box: Any,
) -> None:
    await call(box, "POST", "", {}, "secretId=token")
    await add(box, CANARY)
    await box.create(container=env())
    name = (await box.run())["metadata"]["name"]
    await box.settle()
    # As after a crash between the submit and the event: the row says queued, the process lives.
    await box.store.write(lambda tx: tx.run("UPDATE job_tasks SET state = 'queued'"))
    await box.store.write(lambda tx: tx.run("UPDATE job_executions SET queued = 1, running = 0"))
    await call(box, "DELETE", "/token")
    await box.restart()
    await box.settle()
    [live] = box.runtime.live
    box.runtime.finish(live)
    await box.settle()
    assert (await box.get(name))["succeededCount"] == 1
    assert len(box.runtime.submitted) == 1


async def test_the_same_key_gets_its_execution_also_when_the_secret_has_gone(box: Any) -> None:
    await call(box, "POST", "", {}, "secretId=token")
    await add(box, CANARY)
    await box.create(container=env())
    first = await box.run(key="k")
    await call(box, "DELETE", "/token")
    assert (await box.run(key="k"))["name"] == first["name"]


def test_files_are_private_numbers_grow_and_projects_are_apart(tmp_path: Any) -> None:
    store = SecretStore(tmp_path / "secrets")
    store.create("p", "s")
    assert [store.add_version("p", "s", value).name for value in (b"a", b"b\xff")] == ["1", "2"]
    assert store.value(SecretRef("p", "s")) == b"b\xff"
    assert store.value(SecretRef("p", "s", "1")) == b"a"
    assert store.list("q") == []
    assert store.find(SecretRef("q", "s")) is None
    for path in (tmp_path / "secrets").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    with pytest.raises(AlreadyExists):
        store.create("p", "s")
    for value in (b"", b"x" * (VALUE_BYTES_MAX + 1)):
        with pytest.raises(InvalidArgument, match="bytes"):
            store.add_version("p", "s", value)


def test_what_a_crash_leaves_is_no_version_and_no_secret(tmp_path: Any) -> None:
    store = SecretStore(tmp_path)
    store.create("p", "s")
    store.add_version("p", "s", b"a")
    (tmp_path / "p/s/.draft-1-1").write_bytes(b"half")
    (tmp_path / "p/.gone-t").mkdir()
    assert [entry.name for entry in store.versions("p", "s")] == ["1"]
    assert [entry.name for entry in store.list("p")] == ["s"]
    store.delete("p", "s")
    assert list((tmp_path / "p").iterdir()) == []


@pytest.mark.parametrize("secret", ["..", ".", "a/b", "", "é", "a" * 256, ".gone-x"])
def test_no_name_leads_out_of_the_directory(tmp_path: Any, secret: str) -> None:
    with pytest.raises(InvalidArgument):
        SecretStore(tmp_path).create("p", secret)
    with pytest.raises(InvalidArgument):
        SecretStore(tmp_path).create(secret if secret != "a/b" else "..", "s")
