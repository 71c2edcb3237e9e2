"""A hundred thousand waiting executions on a real server, through the benchmark that tells what they cost."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "workflow_waiting.py"
COUNT = 100_000


def _benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("workflow_waiting", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_a_hundred_thousand_waiting_executions_cost_their_rows_and_no_memory(tmp_path: Path) -> None:
    benchmark = _benchmark()
    seen = benchmark.measure(tmp_path, COUNT)
    assert seen.count >= COUNT
    assert seen.database <= benchmark.DATABASE_MB
    assert max(seen.memory_growth, seen.memory_growth_after_restart) <= benchmark.MEMORY_MB
    assert seen.first_answer <= 10
    assert seen.woken <= 5
