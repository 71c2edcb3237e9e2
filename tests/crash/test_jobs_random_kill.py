"""Server, supervisor and tasks killed at random under load: nothing is lost, and no index has two live attempts.

The checker trusts the operation's answer and what the tasks did themselves: each holds a lock of its index while it
lives, and appends to one file. ``JUBAKO_KILL_SEED`` repeats a run; ``JUBAKO_KILL_SECONDS`` and
``JUBAKO_KILL_TASKS`` make it longer.
"""

import os
import signal
import time
from collections import Counter
from pathlib import Path
from random import Random
from threading import Event

import pytest

from jubako.testing.server import PARENT, ServerProcess

TASKS = int(os.environ.get("JUBAKO_KILL_TASKS", "400"))
PAUSE = Event()
"""Never set: the instant of a kill is what is random here."""
SCRIPT = """
exec 9> "$EFFECTS/lock-$CLOUD_RUN_TASK_INDEX"
flock -n 9 || echo "two $CLOUD_RUN_TASK_INDEX" >> "$EFFECTS/log"
echo "began $CLOUD_RUN_TASK_INDEX $CLOUD_RUN_TASK_ATTEMPT $$" >> "$EFFECTS/log"
sleep 0.1
echo "done $CLOUD_RUN_TASK_INDEX" >> "$EFFECTS/log"
"""


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_something(random: Random, server: ServerProcess, log: Path) -> str:
    """Kill something and return what."""
    what = random.choice(["server", "supervisor", "task", "task"])
    if what == "server":
        server.kill()
        PAUSE.wait(random.uniform(0, 0.3))
        server.restart()
    elif what == "supervisor":
        try:
            kill(server.supervisor_pid())
        except LookupError:  # between two of them
            return ""
    elif log.exists():
        begun = [line.split() for line in log.read_text().splitlines() if line.startswith("began")]
        pid = int(begun[-1][3]) if begun else 0
        if pid and f"{log.parent}".encode() in _environment(pid):
            kill(pid)
    return what


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_whatever_is_killed_every_task_is_done_and_none_runs_twice_at_once(tmp_path: Path) -> None:
    seed = int(os.environ.get("JUBAKO_KILL_SEED", time.time_ns() % 10**6))
    until = time.monotonic() + float(os.environ.get("JUBAKO_KILL_SECONDS", "60"))
    print(f"JUBAKO_KILL_SEED={seed}")  # noqa: T201 - how to repeat a failure
    random, log, kinds = Random(seed), tmp_path / "log", []
    container = {
        "command": ["/bin/sh", "-c", SCRIPT],
        "env": [{"name": "EFFECTS", "value": str(tmp_path)}],
    }
    template = {
        "taskCount": TASKS,
        "parallelism": 4,
        "template": {"maxRetries": 10, "containers": [container]},
    }
    with ServerProcess(tmp_path / "state") as server:
        server.post(f"/v2/{PARENT}/jobs?jobId=killed", {"template": template})
        operation = server.post(f"/v2/{PARENT}/jobs/killed:run", Idempotency_Key="one")
        while time.monotonic() < until and not server.get(f"/v2/{operation['name']}").get("done"):
            PAUSE.wait(random.uniform(0.1, 1.0))
            kinds.append(kill_something(random, server, log))
        again = server.post(f"/v2/{PARENT}/jobs/killed:run", Idempotency_Key="one")
        assert again["name"] == operation["name"]
        ended, deadline = again, time.monotonic() + 600
        while not ended.get("done"):
            assert time.monotonic() < deadline, ended
            ended = server.post(f"/v2/{operation['name']}:wait", {"timeout": "30s"})
        kills = [what for what in kinds if what]
    print(f"killed: {Counter(kills)}")  # noqa: T201
    lines = [line.split() for line in log.read_text().splitlines()]
    assert ended["response"]["succeededCount"] == TASKS
    assert {int(index) for what, index, *_ in lines if what == "done"} == set(range(TASKS))
    assert [line for line in lines if line[0] == "two"] == []
    began = [(index, attempt) for what, index, *rest in lines if what == "began" for attempt in rest[:1]]
    assert len(began) == len(set(began)), "an attempt was started twice"
