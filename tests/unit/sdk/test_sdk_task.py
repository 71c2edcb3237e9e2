import itertools
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako_sdk import Task, current_task, global_id, shard, shard_range


def tasks(count: int) -> list[Task]:
    return [Task(index=index, count=count) for index in range(count)]


def test_outside_a_job_there_is_one_task_that_has_everything():
    task = current_task({})
    assert (task.index, task.count, task.attempt, task.job) == (0, 1, 0, "")
    assert list(shard([1, 2, 3], task)) == [1, 2, 3]


def test_the_identity_is_read_from_cloud_runs_variables():
    task = current_task(
        {
            "CLOUD_RUN_JOB": "telop-ocr",
            "CLOUD_RUN_EXECUTION": "telop-ocr-x7k2p",
            "CLOUD_RUN_TASK_INDEX": "3",
            "CLOUD_RUN_TASK_COUNT": "12",
            "CLOUD_RUN_TASK_ATTEMPT": "1",
        }
    )
    assert (task.job, task.execution, task.index, task.count, task.attempt) == (
        "telop-ocr",
        "telop-ocr-x7k2p",
        3,
        12,
        1,
    )


@pytest.mark.parametrize("text", ["-1", "1.5", "one", "1_0", "１", " 1", "+1"])
def test_an_index_that_is_no_plain_number_is_refused_by_name(text):
    with pytest.raises(ValueError, match="CLOUD_RUN_TASK_INDEX"):
        current_task({"CLOUD_RUN_TASK_INDEX": text, "CLOUD_RUN_TASK_COUNT": "9"})


def test_an_index_that_reaches_the_count_is_refused():
    with pytest.raises(ValueError, match="below the task count"):
        current_task({"CLOUD_RUN_TASK_INDEX": "9", "CLOUD_RUN_TASK_COUNT": "9"})


@given(items=st.lists(st.integers(), max_size=200), count=st.integers(1, 40))
def test_over_all_tasks_each_item_comes_exactly_once(items, count):
    numbered = list(enumerate(items))
    shares = [item for task in tasks(count) for item in shard(numbered, task)]
    assert sorted(shares) == numbered


@given(length=st.integers(0, 10_000), count=st.integers(1, 200))
def test_ranges_of_all_tasks_tile_the_whole_and_differ_by_one_at_most(length, count):
    ranges = [shard_range(length, task) for task in tasks(count)]
    assert ranges[0].start == 0
    assert ranges[-1].stop == length
    assert all(left.stop == right.start for left, right in itertools.pairwise(ranges))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


@given(st.data(), st.integers(1, 1000))
def test_ids_of_different_tasks_never_collide(data, stride):
    pairs = st.tuples(st.integers(0, 50), st.integers(0, stride - 1))
    one, other = data.draw(pairs), data.draw(pairs)
    ids = [global_id(local, stride=stride, index=index) for index, local in (one, other)]
    assert (ids[0] == ids[1]) == (one == other)


@pytest.mark.parametrize("local", [-1, 100_000])
def test_a_local_id_that_would_collide_with_the_neighbour_is_refused(local):
    with pytest.raises(ValueError, match="collide"):
        global_id(local, index=4)


def test_the_tasks_own_index_is_the_default(monkeypatch):
    monkeypatch.setenv("CLOUD_RUN_TASK_INDEX", "2")
    monkeypatch.setenv("CLOUD_RUN_TASK_COUNT", "3")
    assert global_id(17) == 200_017
    assert shard("abcdefg") == "cf"


def test_importing_the_sdk_brings_in_nothing_heavy():
    script = "import sys; before = set(sys.modules); import jubako_sdk; print(*set(sys.modules) - before)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "asyncio",
        "dataclasses",
        "inspect",
        "logging",
        "pathlib",
        "subprocess",
        "urllib.request",
        "tempfile",
    }
    assert not heavy & set(loaded)
