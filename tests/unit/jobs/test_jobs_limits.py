"""What the runtime is told of a job's limits and wishes."""

from typing import Any


async def test_the_containers_limits_and_the_module_to_preload_reach_the_runtime(box: Any) -> None:
    container = {"command": ["/bin/true"], "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}}}
    annotations = {"jubako.dev/warm-start": "numpy"}
    await box.create(template={"containers": [container]}, annotations=annotations)
    await box.run()
    await box.settle()
    [spec] = box.runtime.submitted
    assert (spec.cpus, spec.memory_bytes, spec.preload) == (0.5, 512 << 20, "numpy")


async def test_a_job_that_asks_for_nothing_has_only_the_limit_on_processes(box: Any) -> None:
    await box.create()
    await box.run()
    await box.settle()
    [spec] = box.runtime.submitted
    assert (spec.cpus, spec.memory_bytes, spec.preload) == (None, None, None)
    assert spec.pids_max is not None
