"""Servers and supervisors killed with attempts live: nothing starts twice, nothing is forgotten, nothing is left."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from jubako.core.errors import Unavailable
from jubako.core.events import NoEvents
from jubako.runtime.port import AttemptSpec, Ended, Reason
from jubako.runtime.process import ProcessRuntime
from jubako.runtime.supervisor import proc
from jubako.testing.attempts import CollectedAttempts
from jubako.testing.processes import Fifo, gone, is_alive, seen_from_here

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="leftovers are found by /proc"),
]

SERVER = """
import asyncio, json, sys
from pathlib import Path
from jubako.core.events import NoEvents
from jubako.runtime.port import AttemptSpec
from jubako.runtime.process import ProcessRuntime

async def ignore(events, position):
    pass

async def main():
    runtime = ProcessRuntime(Path(sys.argv[1]), NoEvents(), tree_kill_max=sys.argv[3])
    await runtime.start("", ignore)
    await runtime.submit([AttemptSpec(**{**spec, "argv": tuple(spec["argv"])}) for spec in json.loads(sys.argv[2])])
    print(runtime.supervisor_pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Bench:
    def __init__(self, folder: Path, level: str) -> None:
        self.folder = folder
        self.level = level
        self.state = folder / "state"
        self.fifo = Fifo(folder / "fifo")
        self.seen = CollectedAttempts()
        self.runtime = ProcessRuntime(self.state, NoEvents(), idle_s=20, tree_kill_max=level)

    def values(self, attempt_id: str, script: str, *, group: str = "g") -> dict[str, object]:
        argv = ["/bin/sh", "-c", script]
        return {"id": attempt_id, "group": group, "parallelism": 1, "argv": argv, "env": {"PATH": "/bin"}}

    def spec(self, attempt_id: str, script: str, *, group: str = "g") -> AttemptSpec:
        argv = ("/bin/sh", "-c", script)
        return AttemptSpec(id=attempt_id, group=group, parallelism=1, argv=argv, env={"PATH": "/bin"})

    async def told(self, attempt_id: str, count: int) -> dict[str, int]:
        """Return the pids of ``count`` processes of an attempt, once they have told them."""
        pids = await self.fifo.pids(count)
        return seen_from_here(pids, (await self.seen.started(attempt_id)).pid)

    def tell(self, name: str) -> str:
        return f"echo {name} $$ > {self.fifo.path}"

    async def start(self) -> None:
        await self.runtime.start(self.seen.position, self.seen)

    async def restart_after_kill(self) -> None:
        """Kill the supervisor, and connect again as a server does that noticed."""
        os.kill(self.runtime.supervisor_pid, signal.SIGKILL)
        await self.runtime.wait_disconnected()
        await gone(self.runtime.supervisor_pid)
        await self.start()

    def socket(self) -> Path:
        return Path((self.state / "supervisor" / "address").read_text().strip())

    def journals(self) -> list[Path]:
        return sorted((self.state / "supervisor").glob("journal-*"))


def serve(bench: Bench, specs: list[dict[str, object]]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SERVER, str(bench.state), json.dumps(specs), bench.level]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "3600"], start_new_session=True)


@pytest.fixture(params=["cgroup", "pid-namespace", "subreaper"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path, cast("str", request.param))
    yield made
    await made.start()
    await made.runtime.close(end_attempts=True)
    made.fifo.close()


async def test_attempts_go_on_without_the_server_and_the_next_one_reads_what_it_missed(bench: Bench) -> None:
    go = Fifo(bench.folder / "go")
    waits = f"{bench.tell('first')}; read line < {go.path}; exit 3"
    specs = [bench.values("t/0", waits), bench.values("t/1", f"{bench.tell('second')}; exec sleep 3600")]
    server = serve(bench, specs)
    assert server.stdout is not None
    supervisor_pid = int(await asyncio.to_thread(server.stdout.readline))
    pids = await bench.fifo.pids(1)
    server.kill()
    await asyncio.to_thread(server.wait)
    server.stdout.close()

    go.path.write_text("go\n")
    pids |= await bench.fifo.pids(1)  # started while no server lived
    await bench.start()
    assert bench.runtime.supervisor_pid == supervisor_pid
    assert bench.seen.ends["t/0"].exit_code == 3
    if bench.level != "pid-namespace":  # there the leader is an init of ours
        leaders = {key: start.pid for key, start in bench.seen.starts.items()}
        assert leaders == {"t/0": pids["first"], "t/1": pids["second"]}
    await bench.runtime.submit([bench.spec("t/0", "exit 1"), bench.spec("t/1", "exit 1")])
    await bench.runtime.cancel(["t/1"])
    assert (await bench.seen.ended("t/1")).reason is Reason.CANCELLED
    assert not is_alive(bench.seen.starts["t/1"].pid)
    go.close()


async def test_what_a_killed_supervisor_left_is_ended_and_lost(bench: Bench) -> None:
    await bench.start()
    family = f"{bench.tell('leader')}; (setsid sh -c '{bench.tell('escaped')}; sleep 3600' &); sleep 3600"
    await bench.runtime.submit(
        [bench.spec("t/0", family), bench.spec("t/1", bench.tell("never") + "; exit 0")]
    )
    pids = await bench.told("t/0", 2)
    await bench.restart_after_kill()
    assert (await bench.seen.ended("t/0")).reason is Reason.LOST
    assert not any(is_alive(pid) for pid in pids.values())
    # The queued one was only in its memory: the server hands it over again; the other one is known for ever.
    await bench.runtime.submit(
        [bench.spec("t/0", bench.tell("again")), bench.spec("t/1", bench.tell("second"))]
    )
    assert list(await bench.fifo.pids(1)) == ["second"]
    assert (await bench.seen.ended("t/1")).exit_code == 0


async def test_a_leftover_that_cleaned_its_environment_is_found_by_the_journal(bench: Bench) -> None:
    await bench.start()
    clean = f"exec env -i /bin/sh -c 'echo leader $$ > {bench.fifo.path}; exec sleep 3600'"
    await bench.runtime.submit([bench.spec("t/0", clean)])
    pid = (await bench.told("t/0", 1))["leader"]
    assert b"JUBAKO_SUPERVISOR" not in proc.environment(pid)
    await bench.restart_after_kill()
    assert (await bench.seen.ended("t/0")).reason is Reason.LOST
    assert not is_alive(pid)


async def test_in_a_namespace_everything_ends_with_the_supervisor_at_once(bench: Bench) -> None:
    if bench.level != "pid-namespace":
        pytest.skip("elsewhere the successor ends what is left")
    await bench.start()
    assert bench.runtime.capabilities().tree_kill == bench.level
    hides = f"setsid env -i /bin/sh -c 'echo hidden $$ > {bench.fifo.path}; exec sleep 3600'"
    await bench.runtime.submit(
        [bench.spec("t/0", f"trap '' TERM; {bench.tell('leader')}; ({hides} &); sleep 3600")]
    )
    pids = await bench.told("t/0", 2)
    os.kill(bench.runtime.supervisor_pid, signal.SIGKILL)
    for pid in pids.values():
        await gone(pid)


async def test_a_torn_last_line_is_cut_off(bench: Bench) -> None:
    await bench.start()
    await bench.runtime.submit([bench.spec("t/0", "exit 4")])
    await bench.seen.ended("t/0")
    os.kill(bench.runtime.supervisor_pid, signal.SIGKILL)
    await bench.runtime.wait_disconnected()
    await gone(bench.runtime.supervisor_pid)
    with bench.journals()[-1].open("ab") as journal:
        journal.write(b'{"k":"end","id":"t/9')
    await bench.start()
    await bench.runtime.submit([bench.spec("t/1", "exit 5")])
    assert (await bench.seen.ended("t/1")).exit_code == 5
    everything = CollectedAttempts()
    await bench.runtime.start("", everything)
    assert everything.events == bench.seen.events
    assert set(everything.ends) == {"t/0", "t/1"}


@pytest.mark.parametrize("difference", ["another boot", "another start"])
async def test_a_pid_that_was_given_to_somebody_else_is_left_alone(bench: Bench, difference: str) -> None:
    await bench.start()
    await bench.runtime.close(end_attempts=True)
    await gone(bench.runtime.supervisor_pid)
    innocent = sleeper()
    journal = bench.journals()[-1]
    head = json.loads(journal.read_text().splitlines()[0])
    span = {"another boot": (0, 1 << 62), "another start": (0, 1_000_000)}[difference]
    if difference == "another boot":
        head["boot"] = "00000000-0000-0000-0000-000000000000"
    records: list[dict[str, object]] = [
        head,
        {"k": "try", "id": "t/0", "b": span[0]},
        {"k": "start", "id": "t/0", "t": 1, "pid": innocent.pid, "b": span[1]},
    ]
    journal.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records))
    await bench.start()
    assert (await bench.seen.ended("t/0")).reason is Reason.LOST
    assert is_alive(innocent.pid)
    innocent.kill()
    await asyncio.to_thread(innocent.wait)


async def test_an_attempt_that_was_announced_may_have_run_and_is_lost(bench: Bench) -> None:
    await bench.start()
    await bench.runtime.close(end_attempts=True)
    await gone(bench.runtime.supervisor_pid)
    with bench.journals()[-1].open("a") as journal:
        journal.write('{"k":"try","id":"t/0","b":1}\n')
    await bench.start()
    assert (await bench.seen.ended("t/0")).reason is Reason.LOST
    await bench.runtime.submit([bench.spec("t/0", bench.tell("again")), bench.spec("t/1", "exit 0")])
    await bench.seen.ended("t/1")
    assert isinstance(bench.seen.events[-1], Ended)
    assert "t/0" not in bench.seen.starts


async def test_an_orphaned_idle_supervisor_leaves_and_takes_its_socket_along(bench: Bench) -> None:
    bench.runtime = ProcessRuntime(bench.state, NoEvents(), idle_s=0.2)
    await bench.start()
    socket = bench.socket()
    assert stat.S_ISSOCK(socket.lstat().st_mode)
    await bench.runtime.submit([bench.spec("t/0", "exit 0")])
    await bench.seen.ended("t/0")
    assert is_alive(bench.runtime.supervisor_pid)  # a client is connected
    await bench.runtime.close(end_attempts=False)
    await gone(bench.runtime.supervisor_pid)
    assert not socket.exists()
    assert not (bench.state / "supervisor" / "address").exists()


async def test_sigterm_makes_a_supervisor_end_everything(bench: Bench) -> None:
    await bench.start()
    await bench.runtime.submit([bench.spec("t/0", f"{bench.tell('leader')}; exec sleep 3600")])
    pid = (await bench.told("t/0", 1))["leader"]
    os.kill(bench.runtime.supervisor_pid, signal.SIGTERM)
    await bench.runtime.wait_disconnected()
    assert not is_alive(pid)
    with pytest.raises(Unavailable):
        await bench.runtime.submit([bench.spec("t/1", "exit 0")])
    await bench.start()
    assert (await bench.seen.ended("t/0")).reason is Reason.LOST


async def test_two_servers_starting_at_once_share_one_supervisor(bench: Bench) -> None:
    others = [ProcessRuntime(bench.state, NoEvents()) for _ in range(4)]
    await asyncio.gather(*(other.start("", CollectedAttempts()) for other in others))
    assert len({other.supervisor_pid for other in others}) == 1
    for other in others:
        await other.close(end_attempts=False)


async def test_a_socket_directory_that_others_can_write_to_is_refused(bench: Bench) -> None:
    await bench.start()
    socket = bench.socket()
    await bench.runtime.close(end_attempts=False)
    socket.parent.chmod(0o777)
    try:
        with pytest.raises(Unavailable, match="mode 0700"):
            await bench.start()
    finally:
        socket.parent.chmod(0o700)
