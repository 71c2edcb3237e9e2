"""The files of a source: which ones count, what they are together, and a copy of them."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from jubako.cli.errors import CliError

IGNORED = (".git", ".hg", ".jubako", ".venv", "venv", "node_modules", "__pycache__", "*.pyc", ".DS_Store")
"""What is no source; ``.gcloudignore`` (plain names and patterns, one a line) adds to it."""


def files_of(root: Path) -> list[Path]:
    """Return the files and links of a source in a fixed order, relative to it.

    Raises:
        CliError: It cannot be read, is empty, or holds what is no file.

    """
    if not root.is_dir():
        raise CliError(f"--source: {root} is not a directory.")
    try:
        found = sorted(_walk(root, root, (*IGNORED, *_own(root))))
    except OSError as error:
        raise CliError(f"--source: {error.filename} cannot be read: {error.strerror}.") from None
    if not found:
        raise CliError(f"--source: {root} holds no files.")
    return found


def _own(root: Path) -> list[str]:
    file = root / ".gcloudignore"
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    for pattern in wanted:
        if pattern.startswith("!") or "/" in pattern.rstrip("/").lstrip("/"):
            raise CliError(
                f".gcloudignore: {pattern!r} is not supported.", "Use names and patterns such as *.log."
            )
    return [pattern.strip("/") for pattern in wanted]


def _walk(root: Path, folder: Path, ignored: tuple[str, ...]) -> Iterator[Path]:
    for entry in os.scandir(folder):
        if any(fnmatchcase(entry.name, pattern) for pattern in ignored):
            continue
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path, ignored)
        elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
            yield path.relative_to(root)
        else:
            raise CliError(f"--source: {path} is neither a file nor a directory.")


def digest_of(root: Path, files: list[Path], extra: str) -> str:
    """Return the digest of files, by their names, content and executable bits, and of what else decides the build."""
    whole = hashlib.sha256(extra.encode())
    for file in files:
        path = root / file
        mode = path.lstat().st_mode
        whole.update(b"\0" + os.fsencode(file) + (b"\0x" if mode & stat.S_IXUSR else b"\0-"))
        if path.is_symlink():
            whole.update(b"\0link\0" + os.fsencode(path.readlink()))
        else:
            with path.open("rb") as content:
                whole.update(hashlib.file_digest(content, "sha256").digest())
    return f"sha256:{whole.hexdigest()}"


def copy(root: Path, files: list[Path], to: Path) -> None:
    """Copy files, with their executable bits; links stay links."""
    for file in files:
        target = to / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / file, target, follow_symlinks=False)
