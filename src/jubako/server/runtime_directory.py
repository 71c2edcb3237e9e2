"""Where the server's own Unix sockets are: a short private directory, because socket paths are limited."""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from jubako.core.errors import Unavailable
from jubako.runtime.supervisor import address


def runtime_directory(state_dir: Path, environ: Mapping[str, str]) -> Path:
    """Return the directory of the server on ``state_dir``; it need not exist.

    It is another one than the supervisor's, which is removed when the supervisor leaves.
    """
    mark = hashlib.sha256(b"server:" + os.fsencode(state_dir.resolve())).hexdigest()
    return address.choose(mark, environ.get("XDG_RUNTIME_DIR", ""))


def socket_in(directory: Path, name: str) -> Path:
    """Return the path for a socket in ``directory``, which is made if it is missing.

    Raises:
        Unavailable: It cannot be made, or is not ours alone.

    """
    try:
        address.make_private(directory)
    except (OSError, address.Unsafe) as error:
        raise Unavailable(f"The directory for sockets cannot be used: {error}.") from error
    return directory / name


def remove(directory: Path) -> None:
    """Remove the directory, unless something of somebody else is in it."""
    with contextlib.suppress(OSError):
        directory.rmdir()
