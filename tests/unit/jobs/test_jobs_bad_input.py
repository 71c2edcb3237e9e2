"""Every bad request gets Google's error shape with the field's name, and leaves nothing behind."""

from typing import Any

import pytest

PARENT = "projects/p/locations/l"
JOB = f"{PARENT}/jobs/hello"
MEGABYTE = 1_000_000


def env(*names: str, **fields: Any) -> dict[str, Any]:
    return {"env": [{"name": name, "value": "x", **fields} for name in names]}


def volumes(volume: dict[str, Any], *mounts: dict[str, Any]) -> dict[str, Any]:
    return {"task": {"volumes": [volume]}, "container": {"volumeMounts": [*mounts]}}


@pytest.mark.parametrize(
    ("fields", "names_field"),
    [
        ({"taskCount": 10_001}, "task_count: 10001 is not between 1 and 10000"),
        ({"taskCount": -1}, "task_count: -1"),
        ({"taskCount": 2, "parallelism": 3}, "parallelism: 3 is more than the task count, 2"),
        ({"parallelism": -1}, "parallelism: -1"),
        ({"task": {"maxRetries": 11}}, "max_retries: 11 is not between 0 and 10"),
        ({"task": {"maxRetries": -1}}, "max_retries: -1"),
        ({"task": {"timeout": "604801s"}}, "timeout: 604801s is not between 0s (the default) and 604800s"),
        ({"task": {"timeout": "-1s"}}, "timeout: -1s"),
        ({"task": {"timeout": "soon"}}, "timeout"),
        ({"task": {"containers": []}}, "containers: is empty"),
        ({"container": {"command": []}}, "command: is empty"),
        ({"container": {"command": ["a\0b"]}}, "command[0]: holds a NUL"),
        ({"container": {"args": ["ok", "x" * 131_072]}}, "args[1]: has 131072 bytes; at most 131071"),
        ({"container": {"args": ["x" * 100_000] * 11}}, "1100004 bytes together; at most 1000000"),
        ({"container": {"workingDir": "here"}}, "working_dir: 'here' is not an absolute path"),
        ({"container": env("A=B")}, "env[0].name: 'A=B'"),
        ({"container": env("")}, "env[0].name: ''"),
        ({"container": env("OK", "A\0")}, "env[1].name"),
        ({"container": env("CLOUD_RUN_TASK_INDEX")}, "env[0].name: 'CLOUD_RUN_TASK_INDEX' is reserved"),
        ({"container": env("X_GOOGLE_A")}, "reserved"),
        ({"container": env("A", "A")}, "env[1].name: 'A' is given twice"),
        ({"container": env(*(f"A{n}" for n in range(1_001)))}, "env: has 1001 variables; at most 1000"),
        ({"container": env("A", value=5)}, "value"),
        ({"container": {"nonsense": 1}}, "nonsense"),
        *(
            ({"container": {"env": [{"name": "S", "valueSource": source}]}}, f"env[0].value_source.{named}")
            for source, named in (
                ({}, "secret_key_ref: is missing"),
                ({"secretKeyRef": {}}, "secret_key_ref.secret: ''"),
                ({"secretKeyRef": {"secret": "../x"}}, "secret_key_ref.secret: '../x'"),
                ({"secretKeyRef": {"secret": "projects/../secrets/x"}}, "secret_key_ref.secret"),
                ({"secretKeyRef": {"secret": "s", "version": "newest"}}, "secret_key_ref.version: 'newest'"),
                ({"secretKeyRef": {"secret": "s", "version": "0"}}, "secret_key_ref.version: '0'"),
            )
        ),
        *(
            ({"container": {"resources": {"limits": {"cpu": text}}}}, "limits['cpu']")
            for text in ("", "0", "-1", "two", "1e9", "1Qi", "٣")
        ),
        (
            {"container": {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}},
            "volume_mounts[0].name: 'v' is not",
        ),
        ({"task": {"volumes": [{"name": "v"}]}}, "volumes[0]: is neither a secret nor an empty_dir."),
        ({"task": {"volumes": [{"name": "a/b", "emptyDir": {}}]}}, "volumes[0].name: 'a/b'"),
        ({"task": {"volumes": [{"name": "v", "emptyDir": {}}] * 2}}, "volumes[1].name: 'v' is given twice"),
        (volumes({"name": "v", "emptyDir": {"sizeLimit": "much"}}), "empty_dir.size_limit: 'much'"),
        *(
            (volumes({"name": "v", "secret": {"secret": "s", **secret}}), f"volumes[0].secret.{named}")
            for secret, named in (
                ({"secret": "../s"}, "secret: '../s'"),
                ({"defaultMode": 512}, "default_mode: 512 is not between 0 and 511 (0o777)"),
                ({"items": [{"path": "a", "mode": -1}]}, "items[0].mode: -1"),
                ({"items": [{"path": "a", "version": "newest"}]}, "items[0].version: 'newest'"),
                ({"items": [{"path": ""}]}, "items[0].path: ''"),
                ({"items": [{"path": "/a"}]}, "items[0].path: '/a'"),
                ({"items": [{"path": "a/../b"}]}, "items[0].path: 'a/../b'"),
                ({"items": [{"path": "a"}, {"path": "a/b"}]}, "items[1].path: 'a/b' is given twice"),
            )
        ),
        *(
            (volumes({"name": "v", "emptyDir": {}}, {"name": "v", "mountPath": path}), "mounts[0].mount_path")
            for path in ("", "/", "here", "/a/../b", "/a//b", "/proc", "/sys/fs", "/dev/shm/", "/a\0b")
        ),
        (
            volumes({"name": "v", "emptyDir": {}}, *[{"name": "v", "mountPath": "/a"}] * 2),
            "volume_mounts[1].mount_path: '/a' is given twice",
        ),
        ({"labels": {f"k{n}": "v" for n in range(65)}}, "labels: has 65 entries; at most 64"),
        ({"labels": {"run.googleapis.com/x": "v"}}, "'run.googleapis.com/x'"),
        ({"labels": {"k": "v" * 64}}, "labels['k']"),
        ({"annotations": {"serving.knative.dev/x": "v"}}, "annotations['serving.knative.dev/x']"),
    ],
)
async def test_a_bad_job_is_refused_by_field(
    box: Any, make_job: Any, fields: dict[str, Any], names_field: str
) -> None:
    error = await box.refusal("POST", f"/v2/{PARENT}/jobs", make_job(**fields), "jobId=hello")
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert names_field in error["message"]
    assert len(error["message"]) < 1_000
    assert not await box.exists(JOB)


@pytest.mark.parametrize(
    ("fields", "names_field"),
    [
        *(
            ({"task": {"volumes": [{"name": "v", kind: source}]}}, f"template.volumes[0].{field}")
            for kind, field, source in (
                ("gcs", "gcs", {"bucket": "b"}),
                ("nfs", "nfs", {"server": "s", "path": "/p"}),
                ("cloudSqlInstance", "cloud_sql_instance", {"instances": ["i"]}),
            )
        ),
        ({"task": {"encryptionKey": "k"}}, "encryption_key"),
        ({"task": {"nodeSelector": {"accelerator": "nvidia-l4"}}}, "node_selector"),
        ({"task": {"containers": [{"command": ["a"]}, {"command": ["b"]}]}}, "more than one container"),
        ({"container": {"ports": [{"containerPort": 80}]}}, "ports"),
        (
            volumes({"name": "v", "emptyDir": {}}, {"name": "v", "mountPath": "/v", "subPath": "s"}),
            "volume_mounts[0].sub_path",
        ),
        ({"container": {"startupProbe": {"timeoutSeconds": 1}}}, "startup_probe"),
        ({"container": {"dependsOn": ["x"]}}, "depends_on"),
        ({"container": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}, "limits['nvidia.com/gpu']"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_field(
    box: Any, make_job: Any, fields: dict[str, Any], names_field: str
) -> None:
    error = await box.refusal("POST", f"/v2/{PARENT}/jobs", make_job(**fields), "jobId=hello")
    assert (error["code"], error["status"]) == (501, "UNIMPLEMENTED")
    assert names_field in error["message"]
    assert not await box.exists(JOB)


@pytest.mark.parametrize("token", ["startExecutionToken", "runExecutionToken"])
async def test_tokens_that_start_executions_are_refused(box: Any, make_job: Any, token: str) -> None:
    error = await box.refusal("POST", f"/v2/{PARENT}/jobs", {**make_job(), token: "abc"}, "jobId=hello")
    assert error["status"] == "UNIMPLEMENTED"


@pytest.mark.parametrize("job_id", ["", "Hello", "1a", "a_b", "a-", "a" * 50, "a%2Fb", "..", "%00", "é"])
async def test_a_name_that_is_no_dns_label_is_refused(box: Any, make_job: Any, job_id: str) -> None:
    error = await box.refusal("POST", f"/v2/{PARENT}/jobs", make_job(), f"jobId={job_id}")
    assert error["status"] == "INVALID_ARGUMENT"
    assert "jobId" in error["message"]
    assert (await box.call("GET", f"/v2/{PARENT}/jobs")).get("jobs", []) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"template": 5}', b"\xff", b"[" * 100_000, b'{"template": {}}', b"{}", b"null"],
)
async def test_a_body_that_is_no_job_is_refused(box: Any, body: bytes) -> None:
    error = await box.refusal("POST", f"/v2/{PARENT}/jobs", body, "jobId=hello")
    assert error["status"] == "INVALID_ARGUMENT"
    assert not await box.exists(JOB)


@pytest.mark.parametrize(
    ("overrides", "names_field"),
    [
        ({"taskCount": 10_001}, "overrides.task_count: 10001"),
        ({"taskCount": -5}, "overrides.task_count: -5"),
        ({"timeout": "700000s"}, "overrides.timeout: 700000s"),
        ({"containerOverrides": [{"env": [{"name": "CLOUD_RUN_JOB", "value": "x"}]}]}, "env[0].name"),
        ({"containerOverrides": [{"name": "other"}]}, "name: 'other' is not a container of the job"),
        ({"containerOverrides": [{}, {}]}, "container_overrides: has more entries"),
        ({"containerOverrides": [{"args": ["a"], "clearArgs": True}]}, "clear_args"),
        ({"containerOverrides": [{"args": ["x" * 100_000] * 12}]}, "bytes together"),
        ({"containerOverrides": [{"image": "x"}]}, "image"),
    ],
)
async def test_bad_overrides_are_refused_and_start_nothing(
    box: Any, overrides: dict[str, Any], names_field: str
) -> None:
    await box.create()
    error = await box.refusal("POST", f"/v2/{JOB}:run", {"overrides": overrides})
    assert error["status"] == "INVALID_ARGUMENT"
    assert names_field in error["message"]
    assert (await box.call("GET", f"/v2/{JOB}/executions")).get("executions", []) == []


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", JOB),
        ("DELETE", JOB),
        ("POST", f"{JOB}:run"),
        ("GET", f"{JOB}/executions"),
        ("GET", f"{JOB}/executions/hello-abcde"),
        ("DELETE", f"{JOB}/executions/hello-abcde"),
        ("POST", f"{JOB}/executions/hello-abcde:cancel"),
        ("GET", f"{JOB}/executions/hello-abcde/tasks"),
        ("GET", f"{JOB}/executions/hello-abcde/tasks/hello-abcde-task0"),
    ],
)
async def test_what_does_not_exist_is_not_found(box: Any, verb: str, path: str) -> None:
    error = await box.refusal(verb, f"/v2/{path}", {} if verb == "POST" else None)
    assert (error["code"], error["status"]) == (404, "NOT_FOUND")
    assert JOB in error["message"]


@pytest.mark.parametrize(
    "task_id", ["0", "hello-task0", "{}-task1", "{}-task00", "{}-task-1", "{}-task٠", "{}-task" + "9" * 30]
)
async def test_a_task_has_one_name(box: Any, task_id: str) -> None:
    await box.create()
    name = (await box.run())["metadata"]["name"]
    short = name.rsplit("/", 1)[1]
    assert await box.exists(f"{name}/tasks/{short}-task0")
    error = await box.refusal("GET", f"/v2/{name}/tasks/{task_id.format(short)}")
    assert error["status"] == "NOT_FOUND"


@pytest.mark.parametrize("token", ["x", "====", "MTIz", "LTU=", "4pi6", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5L2E="])
@pytest.mark.parametrize("part", ["executions", "tasks"])
async def test_a_page_token_of_somebody_else_is_refused_or_harmless(box: Any, token: str, part: str) -> None:
    await box.create()
    name = (await box.run())["metadata"]["name"]
    path = f"/v2/{JOB}/executions" if part == "executions" else f"/v2/{name}/tasks"
    response = await box.send("GET", path, query=f"pageToken={token}")
    assert response.status in {200, 400}


@pytest.mark.parametrize("query", ["pageSize=-1", "pageSize=x", "nonsense=1"])
async def test_a_bad_page_is_refused(box: Any, query: str) -> None:
    assert (await box.refusal("GET", f"/v2/{PARENT}/jobs", query=query))["status"] == "INVALID_ARGUMENT"


async def test_jobs_of_another_place_cannot_be_reached_by_their_name(box: Any) -> None:
    await box.create()
    name = (await box.run())["metadata"]["name"]
    elsewhere = name.replace("projects/p/", "projects/q/")
    assert (await box.refusal("GET", f"/v2/{elsewhere}"))["status"] == "NOT_FOUND"
    assert (await box.refusal("POST", f"/v2/{elsewhere}:cancel", {}))["status"] == "NOT_FOUND"
    other_job = name.replace("/jobs/hello/", "/jobs/other/")
    assert (await box.refusal("GET", f"/v2/{other_job}"))["status"] == "NOT_FOUND"
