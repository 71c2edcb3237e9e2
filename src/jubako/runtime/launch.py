"""Starting a supervisor for a state directory, and finding the one that runs."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

from jubako.core.errors import Unavailable
from jubako.runtime.supervisor import address
from jubako.runtime.supervisor.main import LOCKED, READY

_SOURCE = Path(__file__).parents[2]
# Isolated and without site: no user setting and no installed package can change or slow down the supervisor.
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from jubako.runtime.supervisor.main import main; sys.exit(main())"
)
_PATIENCE_S = 45.0
"""Longer than a supervisor gives to what its predecessor left."""
_PAUSE_S = 0.02


async def connect(state_dir: Path, idle_s: float) -> socket.socket:
    """Return a connection to the supervisor of ``state_dir``, which is started if there is none.

    Raises:
        Unavailable: It cannot be started, or does not answer.

    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while (found := await _try(state_dir)) is None:
                # Locked: another one is just starting or leaving; then the next look decides.
                if await asyncio.to_thread(_start, state_dir, idle_s) == LOCKED:
                    await asyncio.sleep(_PAUSE_S)
            return found
    except TimeoutError:
        raise Unavailable(f"the supervisor of {state_dir} does not answer") from None
    except (OSError, address.Unsafe) as error:
        raise Unavailable(f"the supervisor of {state_dir} cannot be started: {error}") from error


async def _try(state_dir: Path) -> socket.socket | None:
    path = address.read(state_dir)
    if path is None:
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, os.fspath(path))
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock


def _start(state_dir: Path, idle_s: float) -> str:
    """Start a supervisor and return the first word it says; raises OSError with its words if it failed."""
    reader, writer = os.pipe()
    try:
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, os.fspath(_SOURCE)]
        arguments = ["--state", os.fspath(state_dir), "--ready-fd", str(writer), "--idle-s", str(idle_s)]
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
