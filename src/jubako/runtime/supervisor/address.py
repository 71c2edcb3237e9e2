"""Where the supervisor of a state directory listens: in a short private directory, for socket paths are limited."""

import contextlib
import os
import stat
from pathlib import Path

_PATH_BYTES_MAX = 100
SOCKET = "supervisor.sock"


class Unsafe(Exception):
    """A file or directory that must be ours alone is not."""


def home(state_dir: Path) -> Path:
    """Return the supervisor's own directory inside ``state_dir``."""
    return state_dir / "supervisor"


def choose(mark: str, runtime_dir: str) -> Path:
    """Return the directory for the socket.

    Args:
        mark: Of the state directory. One that was deleted and made again has another mark, and so the supervisor that
            still serves the deleted one keeps its own socket.
        runtime_dir: ``XDG_RUNTIME_DIR``, or "" if there is none.

    """
    preferred = Path(runtime_dir) / f"jubako-{mark[:12]}"
    usable = Path(runtime_dir).is_absolute() and Path(runtime_dir).is_dir()
    if usable and len(os.fsencode(preferred / SOCKET)) <= _PATH_BYTES_MAX:
        return preferred
    return Path("/tmp") / f"jubako-{os.geteuid()}-{mark[:12]}"  # noqa: S108 - owner and mode are checked


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
    return Path(text)


def forget(state_dir: Path, socket: Path) -> None:
    """Remove the record that ``socket`` is where the supervisor listens; another record stays."""
    record = home(state_dir) / "address"
    with contextlib.suppress(OSError):
        if record.read_text(encoding="utf-8").strip() == os.fspath(socket):
            record.unlink()
