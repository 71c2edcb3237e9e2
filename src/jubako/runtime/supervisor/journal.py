"""The supervisor's memory: append-only files of JSON lines, ``journal-GENERATION``, oldest deleted once acknowledged.

1. No fsync. What was written survives the death of any process; after a power loss nothing is alive anyway, and the
   server's own store says what was claimed.
2. Each supervisor begins a new generation, so a torn last line (killed, disk full) is always the end of an older
   file, where it is cut off.
3. Lines wait in memory until ``flush``, which writes them all in one call. A full disk leaves them waiting:
   ``is_clean`` tells, and nothing may be started meanwhile.
4. A generation that has grown too long is followed by a new one that begins with what is live.
"""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jubako.runtime.supervisor.protocol import VERSION, encode, parse_position

GENERATION_BYTES_MAX = 16 << 20
_PREFIX = "journal-"


@dataclass(slots=True)
class Open:
    """An attempt that a journal shows announced and not ended."""

    id: str
    boot: str
    pid: int = 0
    """0: it was announced, and nobody knows whether it started."""
    announced_us: int = 0
    started_us: int = 0
    """Microseconds since boot; together they enclose the start of the process ``pid``."""


@dataclass(slots=True)
class _Generation:
    name: str
    size: int = 0
    boot: str = ""
    ended: set[str] = field(default_factory=set)


class Journal:
    """Appends lines, and reads them back from a position."""

    def __init__(self, directory: Path, boot: str, generation_bytes_max: int = GENERATION_BYTES_MAX) -> None:
        self._directory = directory
        self._boot = boot
        self._generation_bytes_max = generation_bytes_max
        self._generations: list[_Generation] = []
        self._pending: list[bytes] = []
        self._rest = b""
        self._torn = 0
        """Bytes behind the last newline in the file: half a line that a full disk cut."""
        self._fd = -1
        self._read_fds: dict[str, int] = {}
        self.open: dict[str, Open] = {}
        """What the generations found at the start left open; filled by ``load``."""

    def load(self) -> None:
        """Read what earlier supervisors left; cut off a torn last line."""
        for path in sorted(self._directory.glob(f"{_PREFIX}*")):
            self._load(path)

    def begin(self, live: Iterable[Mapping[str, Any]] = ()) -> None:
        """Start a new generation, whose first lines are its head and ``live``.

        Raises:
            OSError: It cannot be made; the journal goes on as before.

        """
        number = int(self._generations[-1].name.partition("-")[0]) + 1 if self._generations else 1
        # Chance in the name: positions must not fit another journal if somebody deletes this one.
        name = f"{number:08d}-{secrets.token_hex(4)}"
        head = encode({"k": "head", "version": VERSION, "generation": name, "boot": self._boot})
        lines = head + b"".join(map(encode, live))
        path, draft = self._directory / f"{_PREFIX}{name}", self._directory / "draft"
        draft.write_bytes(lines)  # moved into place when complete, so that a generation always has its head
        draft.chmod(0o600)
        draft.rename(path)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._generations.append(_Generation(name, len(lines), self._boot))

    def append(self, line: bytes) -> None:
        """Take ``line`` (with its newline); written by the next ``flush``."""
        self._pending.append(line)

    def note_ended(self, attempt_id: str) -> None:
        """Remember that an end of ``attempt_id`` is among the lines."""
        self._generations[-1].ended.add(attempt_id)

    def has_ended(self, attempt_id: str) -> bool:
        """Return whether any generation still kept tells the end of ``attempt_id``."""
        return any(attempt_id in generation.ended for generation in self._generations)

    def is_clean(self) -> bool:
        """Whether everything appended is in the file."""
        return not self._pending and not self._rest

    def is_long(self) -> bool:
        """Whether it is time for ``begin``."""
        return self._generations[-1].size >= self._generation_bytes_max and self.is_clean()

    @property
    def end(self) -> str:
        """The position behind the last line in the file."""
        last = self._generations[-1]
        return f"{last.name}:{last.size - self._torn}"

    def flush(self) -> None:
        """Write what was appended; a full disk is no error here, see ``is_clean``."""
        if self._pending:
            self._rest += b"".join(self._pending)
            self._pending.clear()
        while self._rest:
            try:
                written = os.write(self._fd, self._rest)
            except OSError:  # no space, quota: tried again at the next flush
                return
            self._generations[-1].size += written
            self._torn = _behind_newline(self._rest[:written], self._torn)
            self._rest = self._rest[written:]

    def locate(self, position: str) -> str:
        """Return ``position`` if it is in the journal, else the journal's beginning."""
        generation, offset = self._locate(position)
        return f"{generation.name}:{offset}"

    def read(self, position: str, bytes_max: int) -> tuple[str, int, bytes]:
        """Return (generation, offset, whole lines) from ``position`` on; no lines at the end of the journal.

        A position that is not in the journal means its beginning.
        """
        generation, offset = self._locate(position)
        if offset == self._readable(generation) and generation is not self._generations[-1]:
            generation, offset = self._generations[self._generations.index(generation) + 1], 0
        size = self._readable(generation)
        data = os.pread(self._reader(generation.name), min(bytes_max, size - offset), offset)
        whole = data[: data.rfind(b"\n") + 1]
        if data and not whole and size - offset > bytes_max:  # one line longer than that
            return self.read(position, bytes_max * 8)
        return generation.name, offset, whole

    def acknowledge(self, position: str) -> None:
        """Delete generations that lie wholly before ``position``, but the last before the present one.

        That one is kept because a server repeats what it was about to submit when its connection broke.
        """
        name, _ = parse_position(position)
        while len(self._generations) > 2 and self._generations[0].name < name:
            old = self._generations.pop(0)
            fd = self._read_fds.pop(old.name, None)
            if fd is not None:
                os.close(fd)
            (self._directory / f"{_PREFIX}{old.name}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files."""
        for fd in (self._fd, *self._read_fds.values()):
            if fd >= 0:
                os.close(fd)
        self._fd = -1
        self._read_fds.clear()

    def _readable(self, generation: _Generation) -> int:
        return generation.size - (self._torn if generation is self._generations[-1] else 0)

    def _locate(self, position: str) -> tuple[_Generation, int]:
        name, offset = parse_position(position)
        for generation in self._generations:
            if generation.name == name and offset <= generation.size:
                return generation, offset
        return self._generations[0], 0

    def _reader(self, name: str) -> int:
        if name not in self._read_fds:
            self._read_fds[name] = os.open(self._directory / f"{_PREFIX}{name}", os.O_RDONLY)
        return self._read_fds[name]

    def _load(self, path: Path) -> None:
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(path, len(whole))
        generation = _Generation(path.name.removeprefix(_PREFIX), len(whole))
        self._generations.append(generation)
        for line in whole.splitlines():
            self._replay(generation, json.loads(line))

    def _replay(self, generation: _Generation, record: Mapping[str, Any]) -> None:
        kind, attempt_id = record["k"], record.get("id", "")
        if kind == "head":
            generation.boot = record["boot"]
        elif kind == "end":
            generation.ended.add(attempt_id)
            self.open.pop(attempt_id, None)
        elif kind == "try":
            self.open[attempt_id] = Open(attempt_id, generation.boot, announced_us=record["b"])
        elif kind == "start" and attempt_id in self.open:
            attempt = self.open[attempt_id]
            attempt.pid, attempt.started_us = record["pid"], record["b"]
        elif kind == "live":
            since, until = record["b"]
            self.open[attempt_id] = Open(attempt_id, generation.boot, record["pid"], since, until)


def _behind_newline(written: bytes, before: int) -> int:
    newline = written.rfind(b"\n")
    return before + len(written) if newline < 0 else len(written) - newline - 1
