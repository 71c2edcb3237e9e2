"""A sink in a directory of the local file system.

1. Bytes go to ``.partial-*`` beside the final name, are synced, and take the name in one step: ``rename``, or
   ``link`` (which fails if the name exists) for ``if_absent``. Then the directory is synced.
2. A writer holds an exclusive lock on its partial file. One that can be locked by somebody else belongs to a dead
   writer and is removed: by the next writer in that directory, and by ``list``.
3. Between creating and locking, a cleaner may come first; so the writer checks, once it has the lock, that its file
   still has its name, and begins anew if not.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from jubako_sdk.sink import RESERVED, ObjectNotFound, SinkError, check_name

_TRIES = 20
"""Lost races with a cleaner or with the removal of an empty directory before giving up."""


class FileWriter:
    """See ``jubako_sdk.sink.Writer``."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.file = file
        self.name = name
        self.published = False


class FileSink:
    """See ``jubako_sdk.sink.Sink``."""

    def __init__(self, directory: str) -> None:
        self._root = Path(directory)
        self._swept: set[Path] = set()
        self.uri = self._root.as_uri()

    def put(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        """See ``Sink.put``."""
        if if_absent and self.exists(name):
            return False  # spares the write; the decision proper is made by link()
        with self.writer(name, if_absent=if_absent) as writer:
            writer.file.write(data)
        return writer.published

    @contextmanager
    def writer(self, name: str, *, if_absent: bool = False) -> Iterator[FileWriter]:
        """See ``Sink.writer``."""
        final = self._path(name)
        if final.parent not in self._swept:
            _sweep(final.parent)
            self._swept.add(final.parent)
        partial, file = self._open_partial(final, name)
        writer = FileWriter(file, name)
        try:
            with file:
                yield writer
                file.flush()
                os.fsync(file.fileno())
                final = self._path(writer.name)
                _make_directories(final.parent)
                writer.published = _publish(partial, final, if_absent=if_absent)
        finally:
            # A success by rename has taken the name away; every other way leaves it here.
            with suppress(FileNotFoundError):
                partial.unlink()
        _sync_directory(final.parent)

    def get(self, name: str) -> bytes:
        """See ``Sink.get``."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectNotFound(f"there is no object {name!r} in {self.uri}.") from None

    def holds(self, name: str, data: bytes) -> bool:
        """See ``Sink.holds``."""
        return self.get(name) == data

    def local_path(self, name: str) -> str:
        """See ``Sink.local_path``."""
        if not self.exists(name):
            raise ObjectNotFound(f"there is no object {name!r} in {self.uri}.")
        return str(self._path(name))

    def exists(self, name: str) -> bool:
        """See ``Sink.exists``."""
        return self._path(name).is_file()

    def list(self, prefix: str = "") -> Iterator[str]:
        """See ``Sink.list``."""
        folder, _, _ = prefix.rpartition("/")
        start = self._path(folder) if folder else self._root
        names = (f"{folder}/{name}" if folder else name for name in _walk(start))
        return iter(sorted(name for name in names if name.startswith(prefix)))

    def folders(self, prefix: str) -> Iterator[str]:
        """See ``Sink.folders``; a directory whose last object goes just now may still be named."""
        try:
            entries = list(os.scandir(self._path(prefix.removesuffix("/"))))
        except (FileNotFoundError, NotADirectoryError):
            entries = []
        return iter(sorted(entry.name for entry in entries if entry.is_dir()))

    def delete(self, name: str) -> bool:
        """See ``Sink.delete``; directories that become empty go too."""
        path = self._path(name)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False
        _sync_directory(path.parent)
        for parent in path.parents:
            if parent == self._root:
                break
            try:
                parent.rmdir()
            except OSError:  # not empty, or somebody else was faster
                break
        return True

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)

    def _open_partial(self, final: Path, name: str) -> tuple[Path, IO[bytes]]:
        for _ in range(_TRIES):
            partial = final.with_name(f"{RESERVED}{os.getpid()}-{secrets.token_hex(8)}")
            try:
                _make_directories(final.parent)
                file = partial.open("xb")
            except FileNotFoundError:
                continue  # the empty directory was removed meanwhile
            except (FileExistsError, NotADirectoryError) as error:
                raise SinkError(
                    f"object {name!r} would lie under another object: {error.filename}."
                ) from error
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return partial, file
            file.close()
        raise SinkError(f"object {name!r} could not be begun: its directory keeps vanishing.")


def _publish(partial: Path, final: Path, *, if_absent: bool) -> bool:
    try:
        if if_absent:
            os.link(partial, final)
        else:
            partial.replace(final)
    except FileExistsError:
        return False
    except IsADirectoryError as error:
        raise SinkError(f"{final}: other objects lie under this name.") from error
    return True


def _sweep(directory: Path) -> None:
    """Remove the partial files of dead writers in ``directory``."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in os.scandir(directory):
            if entry.name.startswith(RESERVED):
                _remove_if_dead(Path(entry.path))


def _remove_if_dead(partial: Path) -> None:
    with suppress(FileNotFoundError, BlockingIOError, PermissionError), partial.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        partial.unlink()


def _walk(directory: Path, prefix: str = "") -> Iterator[str]:
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name.startswith(RESERVED):
            _remove_if_dead(Path(entry.path))
        elif entry.is_dir():
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name


def _make_directories(directory: Path) -> None:
    """Make ``directory`` and what is above it, each durably in its parent."""
    if directory.is_dir():
        return
    _make_directories(directory.parent)
    directory.mkdir(exist_ok=True)
    _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # emptied and removed meanwhile: nothing of ours is in it
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
