"""Where the supervisor of a state directory listens.

Inside the state directory, because whatever else could hold a socket goes before it: ``XDG_RUNTIME_DIR`` with the last
session of its user, /tmp with the unit that has one of its own. If the path is too long for a socket, or the file
system has none, in a short private directory.

The path holds the state directory's mark: one that was deleted and made again has another one, and so has a copy, which
must not find the supervisor of the original.
"""

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

_PATH_BYTES_MAX = 100
SOCKET = "supervisor.sock"


class Unsafe(Exception):
    """A file or directory that must be ours alone is not."""


def home(state_dir: Path) -> Path:
    """Return the supervisor's own directory inside ``state_dir``."""
    return state_dir / "supervisor"


def mark(state_dir: Path) -> str:
    """Return the mark of this state directory, which is given one if it has none."""
    path = home(state_dir) / "uid"
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.write_text(secrets.token_hex(16), encoding="ascii")
        draft.replace(path)
    text = path.read_bytes() + os.fsencode(state_dir)
    return hashlib.sha256(text).hexdigest()[:32]


def candidates(state_dir: Path, runtime_dir: str) -> Sequence[Path]:
    """Return the sockets that the supervisor of ``state_dir`` may listen at, the best first."""
    name = mark(state_dir)
    inside = home(state_dir) / f"{name[:12]}.sock"
    outside = choose(name, runtime_dir) / SOCKET
    return [inside, outside] if len(os.fsencode(inside)) <= _PATH_BYTES_MAX else [outside]


def choose(name: str, runtime_dir: str) -> Path:
    """Return the short private directory of ``name``.

    Args:
        name: A mark.
        runtime_dir: ``XDG_RUNTIME_DIR``, or "" if there is none.

    """
    preferred = Path(runtime_dir) / f"jubako-{name[:12]}"
    usable = Path(runtime_dir).is_absolute() and Path(runtime_dir).is_dir()
    if usable and len(os.fsencode(preferred / SOCKET)) <= _PATH_BYTES_MAX:
        return preferred
    return Path("/tmp") / f"jubako-{os.geteuid()}-{name[:12]}"  # noqa: S108 - owner and mode are checked


def make_private(directory: Path) -> None:
    """Make ``directory`` with mode 0700, or check that it is ours.

    Raises:
        Unsafe: It belongs to somebody else, is open to others, or is no directory.

    """
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700, parents=True)
    check_private(directory)


def check_private(directory: Path) -> None:
    """See make_private; does not make it."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise Unsafe(f"{directory} must be a directory of user {os.geteuid()} with mode 0700")


def write(state_dir: Path, socket: Path) -> None:
    """Record where the supervisor of ``state_dir`` listens; replaces the record in one step."""
    draft = home(state_dir) / "address.new"
    draft.write_text(f"{socket}\n", encoding="utf-8")
    draft.replace(home(state_dir) / "address")


def read(state_dir: Path) -> Path | None:
    """Return the recorded socket, or None; its directory is checked.

    Raises:
        Unsafe: The socket's directory is not ours alone.

    """
    try:
        text = (home(state_dir) / "address").read_text(encoding="utf-8").strip()
        check_private(Path(text).parent)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Path(text) if mark(state_dir)[:12] in text else None


def forget(state_dir: Path, socket: Path) -> None:
    """Remove the record that ``socket`` is where the supervisor listens; another record stays."""
    record = home(state_dir) / "address"
    with contextlib.suppress(OSError):
        if record.read_text(encoding="utf-8").strip() == os.fspath(socket):
            record.unlink()
