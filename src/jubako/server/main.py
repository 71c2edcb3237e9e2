"""Starting and stopping the server."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from jubako.boxes.jobs import task_rows
from jubako.boxes.services import instance_rows
from jubako.core.clock import Clock
from jubako.core.faults import NoFaults
from jubako.identity.google_credentials import credentials_file, read_credentials
from jubako.identity.invoker import Rules
from jubako.runtime import loopback
from jubako.runtime.port import Capabilities
from jubako.runtime.process import ProcessRuntime
from jubako.runtime.supervisor import division
from jubako.runtime.system import SystemClock, SystemIds
from jubako.runtime.virtual import VirtualClock
from jubako.server import timekeeping
from jubako.server.attempts import may_wait
from jubako.server.boxes import MIGRATED
from jubako.server.config import DEFAULT_PORT, Config
from jubako.server.environment import inherited
from jubako.server.ground import GoogleAccess, Ground
from jubako.server.house import House, agreed_port
from jubako.server.identities import dialer, identities
from jubako.server.runtime_directory import runtime_directory
from jubako.server.state_dir import StateDirectory
from jubako.store import facts
from jubako.store.migrations import load
from jubako.store.port import Store, Tx
from jubako.store.sqlite import SqliteStore
from jubako.telemetry.events import StreamEvents

PORT = "server.port"
INTERRUPTED = 130
NEW_OBJECTS_MAX = 5_000
"""Between two looks for cycles. Of a thousand executions at once nearly all objects live on: looking at them all
the time took a tenth of the processor time."""

Announce = Callable[[str], None]


def main(config: Config, announce: Announce = print) -> int:
    """Run a server until SIGTERM or Ctrl-C; return the exit code.

    Raises:
        InvalidArgument: The configuration cannot work.
        FailedPrecondition: The state directory is in use, or was written by a newer program.
        Unavailable: The state directory, the runtime or the port cannot be used.

    """
    config = config.checked()
    google = None
    if config.google_credentials is not None:
        path = credentials_file(config.google_credentials, os.environ)
        google = GoogleAccess(credentials=read_credentials(path), discovery=config.google_discovery)
    with StateDirectory(config.state_dir) as state:
        division.make_way()
        try:
            return asyncio.run(_serve(config, state, google, announce))
        finally:
            division.come_back()


async def _serve(
    config: Config, state: StateDirectory, google: GoogleAccess | None, announce: Announce
) -> int:
    stopping = _stop_signals()
    wall = SystemClock()
    clock: Clock = (
        wall if config.clock == "real" else VirtualClock(wall, runs_by_itself=config.clock == "virtual")
    )
    events = StreamEvents(sys.stderr, wall, as_json=config.log_json)
    store = SqliteStore(state.database, clock, load(*MIGRATED), NoFaults())
    await timekeeping.take_up(store, clock)
    port = await _port(config, store)
    runtime = ProcessRuntime(state.path, events, tree_kill_max=config.tree_kill_max, may_wait=may_wait)
    ground = Ground(
        state=state,
        store=store,
        runtime=runtime,
        clock=clock,
        wall=wall,
        ids=SystemIds(),
        events=events,
        faults=NoFaults(),
        sockets=runtime_directory(state.path, os.environ),
        base_url=f"http://{config.local_host}:{port}",
        environment=inherited(os.environ),
        grace=timedelta(seconds=config.grace_s),
        working_dir=str(state.path.parent),
        google=google,
    )
    rules = Rules(authenticates=config.auth, is_strict=config.strict_iam)
    known = identities(ground, os.environ, rules, config.names())
    house = House(ground, known, None if config.offline else dialer(ground, os.environ))
    try:
        await house.open(config, port)
        await store.write(partial(facts.put, name=PORT, value=str(port)))
        state.tell_address(ground.base_url)
        grpc = "" if house.grpc_port is None else f"gRPC at {config.host}:{house.grpc_port}, "
        enforced = _enforced(runtime.capabilities())
        _let_rest_what_stays()
        announce(f"Jubako is ready at {ground.base_url} ({grpc}state in {state.path}, {enforced})")
        await _until_stopped(house, stopping)
    finally:
        await house.close(leave_tasks=config.leave_tasks)
    return 0


def _let_rest_what_stays() -> None:
    """Have the garbage collector pass over what the start made, and look seldom at what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS_MAX)


def _enforced(capabilities: Capabilities) -> str:
    """Return what this machine lets us enforce, for people."""
    limits = ", ".join(capabilities.enforced) or "none"
    why = f" - {capabilities.missing}" if capabilities.missing else ""
    volumes = f", no volumes - {capabilities.mounts_missing}" if capabilities.mounts_missing else ""
    return f"tasks are ended by {capabilities.tree_kill}, limits enforced: {limits}{why}{volumes}"


async def _until_stopped(house: House, stopping: asyncio.Event) -> None:
    running = asyncio.ensure_future(house.run())
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((running, stop), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (running, stop):
            task.cancel()
        await asyncio.gather(running, stop, return_exceptions=True)


async def _port(config: Config, store: Store) -> int:
    def read(tx: Tx) -> tuple[str | None, int]:
        return facts.get(tx, PORT), len(task_rows.under_way(tx)) + len(instance_rows.live(tx))

    remembered, live = await store.read(read)
    port = agreed_port(
        config.port,
        None if remembered is None else int(remembered),
        live_attempts=live,
        default=DEFAULT_PORT,
    )
    return port or loopback.free_port()


def _stop_signals() -> asyncio.Event:
    """Return an event that is set by the first SIGTERM or SIGINT; the second one ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(INTERRUPTED)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping
