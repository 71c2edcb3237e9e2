"""Volumes of jobs: what the runtime is handed, and what is refused before an execution is made."""

from typing import Any

from jubako.identity.secrets import SecretStore
from jubako.runtime.port import Mount, SecretFile

JOB = "projects/p/locations/l/jobs/hello"
MIB = 1 << 20


def volumes(**limits: str) -> dict[str, Any]:
    items = [{"path": "a/b", "version": "1", "mode": 0o400}, {"path": "c", "version": "latest"}]
    return {
        "task": {
            "volumes": [
                {"name": "whole", "secret": {"secret": "key"}},
                {"name": "parts", "secret": {"secret": "key", "items": items, "defaultMode": 0o440}},
                {"name": "sized", "emptyDir": {"sizeLimit": "3Mi"}},
                {"name": "free", "emptyDir": {"medium": "MEMORY"}},
                {"name": "not-mounted", "secret": {"secret": "other"}},
            ]
        },
        "container": {
            "resources": {"limits": limits},
            "volumeMounts": [
                {"name": name, "mountPath": f"/{name}/"} for name in ("whole", "parts", "sized", "free")
            ],
        },
    }


def fill(vault: SecretStore) -> None:
    vault.create("p", "key")
    for value in (b"one", b"\0two\xff"):
        vault.add_version("p", "key", value)


async def test_a_runtime_gets_files_with_their_bytes_and_scratch_with_its_size(box: Any) -> None:
    fill(box.vault)
    await box.create(**volumes(memory="8Mi"))
    await box.run()
    await box.settle()
    one, two = b"one", b"\0two\xff"
    [spec] = box.runtime.submitted
    parts = (
        SecretFile(path="a/b", content=one, mode=0o400),
        SecretFile(path="c", content=two, mode=0o440),
    )
    assert spec.mounts == (
        Mount(path="/whole", volume="whole", files=(SecretFile(path="key", content=two, mode=0o444),)),
        Mount(path="/parts", volume="parts", files=parts),
        Mount(path="/sized", volume="sized", size_bytes=3 * MIB),
        Mount(path="/free", volume="free", size_bytes=4 * MIB),
    )
    assert "two" not in repr(spec.mounts)


async def test_scratch_has_no_more_than_the_container_and_else_a_part_of_the_default(box: Any) -> None:
    fill(box.vault)
    await box.create("little", **volumes(memory="2Mi"))
    await box.create("default", **volumes())
    for name in ("little", "default"):
        await box.run(name)
    await box.settle()
    sizes = [[mount.size_bytes for mount in spec.mounts[2:]] for spec in box.runtime.submitted]
    assert sizes == [[2 * MIB, MIB], [3 * MIB, 256 * MIB]]


async def test_a_version_that_goes_before_the_start_fails_the_task_with_its_name(box: Any) -> None:
    fill(box.vault)
    await box.create(**volumes())
    name = (await box.run())["metadata"]["name"]
    box.vault.delete("p", "key")
    await box.settle()
    ended = await box.get(name)
    assert (ended["failedCount"], box.runtime.submitted) == (1, [])
    assert "projects/p/secrets/key/versions/" in ended["conditions"][0]["message"]


async def test_where_nothing_can_be_mounted_a_run_is_refused_with_the_reason(box: Any) -> None:
    fill(box.vault)
    await box.create(**volumes())
    box.mounts_missing = "making namespaces: Operation not permitted"
    error = await box.refusal("POST", f"/v2/{JOB}:run", {})
    assert error["status"] == "FAILED_PRECONDITION"
    assert error["message"].endswith(
        "volume_mounts: no volumes can be mounted here: making namespaces: Operation not permitted."
    )
    assert (await box.get(JOB)).get("executionCount", 0) == 0
