"""Starting a supervisor for a state directory, and finding the one that runs."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from jubako.core.errors import Unavailable
from jubako.runtime.supervisor import address
from jubako.runtime.supervisor.main import LOCKED, READY
from jubako.runtime.supervisor.protocol import VERSION, encode

Greeted = tuple[asyncio.StreamReader, asyncio.StreamWriter, Mapping[str, Any]]
"""A connection, and what the supervisor said of itself: ``version``, ``pid``, ``tree_kill``."""

_SOURCE = Path(__file__).parents[2]
# Isolated and without site: no user setting and no installed package can change or slow down the supervisor.
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from jubako.runtime.supervisor.main import main; sys.exit(main())"
)
_PATIENCE_S = 45.0
"""Longer than a supervisor gives to what its predecessor left."""
_PAUSE_S = 0.02
_LINE_BYTES_MAX = 1 << 20


async def connect(state_dir: Path, options: Sequence[str]) -> Greeted:
    """Return a connection to the supervisor of ``state_dir``, which is started if there is none.

    Args:
        state_dir: The state directory, resolved.
        options: Further arguments for one that must be started, see ``supervisor.main``.

    Raises:
        Unavailable: It cannot be started, does not answer, or speaks another version.

    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while (found := await _try(state_dir)) is None:
                # Locked: another one is just starting or leaving; then the next look decides.
                if await asyncio.to_thread(_start, state_dir, options) == LOCKED:
                    await asyncio.sleep(_PAUSE_S)
            return found
    except TimeoutError:
        raise Unavailable(f"the supervisor of {state_dir} does not answer") from None
    except (OSError, address.Unsafe) as error:
        raise Unavailable(f"the supervisor of {state_dir} cannot be started: {error}") from error


async def _try(state_dir: Path) -> Greeted | None:
    path = address.read(state_dir)
    if path is None:
        return None
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_BYTES_MAX)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    try:
        writer.write(encode({"op": "hello", "version": VERSION}))
        line = await reader.readline()
    except ConnectionError:  # it is just leaving
        line = b""
    except BaseException:
        writer.close()
        raise
    if not line:
        writer.close()
        return None
    return reader, writer, _understood(line, writer)


def _understood(line: bytes, writer: asyncio.StreamWriter) -> Mapping[str, Any]:
    hello: Mapping[str, Any] = msgspec.json.decode(line)["hello"]
    if hello["version"] != VERSION:
        writer.close()
        raise Unavailable(
            f"the supervisor (process {hello['pid']}) speaks version {hello['version']} and not {VERSION}; "
            "end it by SIGTERM: what it runs is lost and starts again"
        )
    return hello


def _start(state_dir: Path, options: Sequence[str]) -> str:
    """Start a supervisor and return the first word it says; raises OSError with its words if it failed."""
    reader, writer = os.pipe()
    try:
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, os.fspath(_SOURCE)]
        arguments = ["--state", os.fspath(state_dir), "--ready-fd", str(writer), *options]
        # It detaches itself, so what is waited for here is only its first moment.
        subprocess.run(
            command + arguments,
            pass_fds=(writer,),
            check=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except subprocess.CalledProcessError as error:
        os.close(reader)
        raise OSError(f"it ended with status {error.returncode}") from error
    finally:
        os.close(writer)
    with open(reader, encoding="utf-8") as ready:  # noqa: PTH123 - it is a descriptor
        said = ready.readline().strip()
    word = said.partition(" ")[0]
    if word not in {READY, LOCKED}:
        raise OSError(said or "it ended before it was ready")
    return word
