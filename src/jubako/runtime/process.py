"""Attempts as processes of this machine, owned by the supervisor; this is the server's side of it."""

import asyncio
import base64
import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from jubako.core.errors import Unavailable
from jubako.core.events import Events
from jubako.runtime import launch
from jubako.runtime.follower import Follower
from jubako.runtime.port import AttemptEvent, AttemptSpec, Capabilities, Mount, SecretFile, Sink
from jubako.runtime.supervisor import memory
from jubako.runtime.supervisor.main import IDLE_S
from jubako.runtime.supervisor.protocol import encode, parse_position

_SPECS_PER_LINE = 100
_CLOSE_MARGIN_S = 10.0
"""Beyond what the supervisor says it needs to end everything."""
_GONE = "not connected to the supervisor"


class ProcessRuntime:
    """See Runtime. Attempts survive the server; see ``supervisor`` for what owns them."""

    def __init__(
        self,
        state_dir: Path,
        events: Events,
        *,
        idle_s: float = IDLE_S,
        tree_kill_max: str = "cgroup",
        may_wait: Callable[[AttemptEvent], bool] = lambda _: False,
    ) -> None:
        """Take the settings; nothing is started.

        Args:
            state_dir: The server's state directory; one supervisor lives per directory.
            events: Gets ``runtime.connected`` and ``runtime.disconnected``.
            idle_s: After how many seconds without attempts and connections the supervisor leaves.
            tree_kill_max: Do not use a surer way to end process trees than this one, see Capabilities.
            may_wait: Says which events may be told some milliseconds late, see Follower.

        """
        self._state_dir = state_dir.resolve()
        self._events = events
        self._may_wait = may_wait
        self._options = ("--idle-s", str(idle_s), "--tree-kill", tree_kill_max)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._follower: Follower | None = None
        self._answers: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._sequence = itertools.count(1)
        self._tree_kill = "unknown"
        self._enforced: Sequence[str] = ()
        self._missing = self._mounts_missing = ""
        self._memory_bytes = memory.for_attempts()
        self.supervisor_pid = 0
        """Of the supervisor last connected to; for operators and tests."""

    def capabilities(self) -> Capabilities:
        """See Runtime."""
        return Capabilities(
            name="process",
            tree_kill=self._tree_kill,
            survives_restart=True,
            enforced=self._enforced,
            missing=self._missing,
            mounts_missing=self._mounts_missing,
            memory_bytes=self._memory_bytes,
        )

    async def start(self, position: str, sink: Sink) -> None:
        """See Runtime; what ``sink`` raises meanwhile is raised here."""
        await self._disconnect()
        reader, self._writer, hello = await launch.connect(self._state_dir, self._options)
        self._tree_kill, self.supervisor_pid = hello["tree_kill"], hello["pid"]
        self._enforced = tuple(hello.get("enforced", ()))  # a supervisor of an older version has no limits
        self._missing = hello.get("missing", "")
        self._mounts_missing = hello.get("mounts_missing", "the supervisor is of a version without volumes")
        try:
            self._follower = Follower(sink, self._acknowledge, self._writer.close, self._may_wait)
            self._reading = asyncio.create_task(self._read(reader, self._follower), name="runtime.read")
            answer = await self._ask("follow", position=position)
            if answer["begin"] != answer["end"]:
                await self._follower.wait_until(parse_position(answer["end"]))
        except BaseException:
            await self._disconnect()
            raise
        self._events.emit("runtime.connected", tree_kill=self._tree_kill, supervisor_pid=self.supervisor_pid)

    async def submit(self, specs: Sequence[AttemptSpec]) -> None:
        """See Runtime."""
        lines = ([_spec(spec) for spec in batch] for batch in _batches(specs))
        await asyncio.gather(*(self._ask("submit", specs=line) for line in lines))

    async def cancel(self, ids: Sequence[str]) -> None:
        """See Runtime."""
        await self._ask("cancel", ids=list(ids))

    async def reconcile(self, started: Sequence[str]) -> None:
        """See Runtime."""
        await self._ask("reconcile", started=list(started))

    async def wait_disconnected(self) -> None:
        """See Runtime; if it broke because the sink raised, that is raised here."""
        if self._reading is not None:
            await asyncio.shield(self._reading)
        if self._follower is not None:
            self._follower.raise_failure()

    async def close(self, *, end_attempts: bool) -> None:
        """See Runtime. What was ended is told as LOST at the next start: it shall run again, without charge."""
        if end_attempts and self._writer is not None and self._reading is not None:
            with contextlib.suppress(Unavailable, TimeoutError):
                answer = await self._ask("stop", end_attempts=True)
                async with asyncio.timeout(answer["within"] + _CLOSE_MARGIN_S):
                    await asyncio.wait([self._reading])
        await self._disconnect()

    async def _read(self, reader: asyncio.StreamReader, follower: Follower) -> None:
        try:
            while line := await reader.readline():
                message = msgspec.json.decode(line)
                if "journal" in message:
                    lines = await reader.readexactly(message["bytes"])
                    end = message["offset"] + message["bytes"]
                    follower.feed(lines, f"{message['journal']}:{end}")
                elif "re" in message:
                    self._answered(message)
                else:
                    self._events.emit("runtime.refused", "ERROR", error=message.get("error"))
        except (OSError, asyncio.IncompleteReadError):
            return  # as good as an end
        finally:
            await self._broken(follower)

    def _answered(self, message: Mapping[str, Any]) -> None:
        answer = self._answers.pop(message["re"], None)
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def _broken(self, follower: Follower) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Unavailable(_GONE))
        self._answers.clear()
        await follower.stop()
        self._events.emit("runtime.disconnected", "DEBUG")

    async def _ask(self, operation: str, **fields: object) -> Mapping[str, Any]:
        number = next(self._sequence)
        line = encode({"op": operation, "n": number, **fields})
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(line)
            message: Mapping[str, Any] = await answer
            return message
        finally:
            self._answers.pop(number, None)

    def _acknowledge(self, position: str) -> None:
        with contextlib.suppress(Unavailable):
            self._send(encode({"op": "ack", "position": position}))

    def _send(self, line: bytes) -> None:
        if self._writer is None or self._writer.is_closing():
            raise Unavailable(_GONE)
        self._writer.write(line)

    async def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if self._reading is not None:
            await asyncio.wait([self._reading])


def _batches(specs: Sequence[AttemptSpec]) -> Iterator[Sequence[AttemptSpec]]:
    return (specs[start : start + _SPECS_PER_LINE] for start in range(0, len(specs), _SPECS_PER_LINE))


def _spec(spec: AttemptSpec) -> Mapping[str, Any]:
    return {
        "id": spec.id,
        "group": spec.group,
        "parallelism": spec.parallelism,
        "argv": list(spec.argv),
        "env": dict(spec.env),
        "cwd": spec.cwd,
        "timeout": None if spec.timeout is None else spec.timeout.total_seconds(),
        "grace": spec.grace.total_seconds(),
        "output": spec.output,
        "memory_bytes": spec.memory_bytes,
        "cpus": spec.cpus,
        "pids_max": spec.pids_max,
        "preload": spec.preload,
        "mounts": [_mount(one) for one in spec.mounts],
    }


def _mount(mount: Mount) -> Mapping[str, Any]:
    files = None if mount.files is None else [_file(one) for one in mount.files]
    return {"path": mount.path, "name": mount.volume, "size": mount.size_bytes, "files": files}


def _file(file: SecretFile) -> Mapping[str, Any]:
    return {"path": file.path, "mode": file.mode, "data": base64.b64encode(file.content).decode("ascii")}
