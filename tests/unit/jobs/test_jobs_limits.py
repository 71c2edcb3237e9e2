"""What the runtime is told of a job's limits and wishes."""

from dataclasses import replace
from typing import Any

from jubako.boxes.jobs.conditions import how_it_runs
from jubako.runtime.port import Capabilities
from jubako.wire.run_types import Container


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


def test_an_execution_says_what_is_enforced_and_why_the_rest_is_not() -> None:
    can = Capabilities(name="process", tree_kill="cgroup", survives_restart=True, enforced=("pids", "cpu"))
    assert how_it_runs(can, Container()) == (
        "Runs as local processes. Process trees are ended by cgroup; limits of pids and cpu are enforced."
    )
    cannot = replace(can, tree_kill="subreaper", enforced=(), missing="version 2 is not mounted")
    assert how_it_runs(cannot, Container()) == (
        "Runs as local processes. Process trees are ended by subreaper; no limits of memory or cpu are enforced. "
        "The others cannot be had here: version 2 is not mounted."
    )
