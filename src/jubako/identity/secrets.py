"""Secrets of this machine: one file per version, ``ROOT/PROJECT/SECRET/VERSION``, mode 0600, written once.

1. A value leaves the store only through ``value``, which is for starting tasks: no answer, log or error holds one.
2. A version appears whole or not at all (written aside, synced, linked), and its number is never another's.
3. What a crash leaves is hidden (its name begins with a dot) and taken away by the next ``delete`` of the project.

Source of names, numbers and the size limit: Secret Manager v1, "Quotas and limits" and resources.proto.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jubako.core.errors import AlreadyExists, InvalidArgument, NotFound, ResourceExhausted

LATEST = "latest"
VALUE_BYTES_MAX = 65_536
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,255}\Z", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z", re.ASCII)
_BORN = ".born"
"""Empty file whose time is that of the secret's creation."""


@dataclass(frozen=True, slots=True, order=True)
class SecretRef:
    """Names one version of a secret."""

    project: str
    secret: str
    version: str = LATEST
    """A number, or ``latest``."""

    def __str__(self) -> str:
        return f"projects/{self.project}/secrets/{self.secret}/versions/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A secret or a version, without its value."""

    name: str
    created_us: int
    """Microseconds since the epoch."""


def parse_ref(project: str, secret: str, version: str) -> SecretRef:
    """Return the reference of ``secretKeyRef{secret, version}`` in a resource of ``project``.

    Args:
        project: Of the resource that refers.
        secret: ``NAME``, or ``projects/P/secrets/NAME``.
        version: A number, or ``latest``; "" is ``latest`` too.

    Raises:
        InvalidArgument: It can name no secret; the message begins with the field.

    """
    parts = secret.split("/")
    if len(parts) == 4 and parts[0] == "projects" and parts[2] == "secrets":
        project, secret = parts[1], parts[3]
    version = version or LATEST
    if not _PROJECT.match(project) or not _SECRET.match(secret):
        raise InvalidArgument(
            f"secret: {secret[:100]!r} is not the name of a secret: letters, digits, '-' and '_', at most 255."
        )
    if version != LATEST and not _NUMBER.match(version):
        raise InvalidArgument(f"version: {version[:100]!r} is neither a number nor {LATEST!r}.")
    return SecretRef(project, secret, version)


class SecretStore:
    """The secrets below one directory. All methods block on the disk; none but ``value`` returns a value."""

    def __init__(self, root: Path) -> None:
        """Take the directory, made when the first secret is."""
        self._root = root

    def create(self, project: str, secret: str) -> Entry:
        """Make a secret without versions.

        Raises:
            AlreadyExists: There is one of this name.
            InvalidArgument: It cannot have this name.

        """
        folder = self._folder(project, secret)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise AlreadyExists(f"Secret {_name(project, secret)!r} already exists.") from None
        (folder / _BORN).touch(mode=0o600)
        return _entry(secret, folder)

    def get(self, project: str, secret: str) -> Entry:
        """Return what there is to know of a secret. Raises NotFound."""
        return _entry(secret, self._existing(project, secret))

    def list(self, project: str) -> Sequence[Entry]:
        """Return the secrets of a project, by name."""
        folder = self._root / _checked(_PROJECT, project, "project")
        names = sorted(entry.name for entry in _entries(folder) if entry.is_dir())
        return [_entry(name, folder / name) for name in names]

    def delete(self, project: str, secret: str) -> None:
        """Delete a secret with all its versions. Raises NotFound."""
        folder = self._existing(project, secret)
        for rest in folder.parent.glob(".gone-*"):
            shutil.rmtree(rest, ignore_errors=True)
        # First out of sight, so that a crash in between leaves no secret that lacks some versions.
        gone = folder.with_name(f".gone-{secret}")
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def add_version(self, project: str, secret: str, value: bytes) -> Entry:
        """Store a value as the newest version.

        Raises:
            NotFound: There is no such secret.
            InvalidArgument: The value is empty or too long.
            ResourceExhausted: The disk is full.

        """
        folder = self._existing(project, secret)
        if not 0 < len(value) <= VALUE_BYTES_MAX:
            raise InvalidArgument(
                f"payload.data: has {len(value)} bytes; 1 to {VALUE_BYTES_MAX} are allowed in a secret."
            )
        try:
            return self._publish(folder, value)
        except OSError as error:
            raise ResourceExhausted(f"The secret cannot be stored: {error.strerror}.") from None

    def versions(self, project: str, secret: str) -> Sequence[Entry]:
        """Return the versions of a secret, newest first. Raises NotFound."""
        folder = self._existing(project, secret)
        return [
            Entry(name=str(number), created_us=_time_us(folder / str(number)))
            for number in sorted(_numbers(folder), reverse=True)
        ]

    def find(self, ref: SecretRef) -> Path | None:
        """Return the file of a version; None if there is none."""
        folder = self._folder(ref.project, ref.secret)
        number = str(max(_numbers(folder), default=0)) if ref.version == LATEST else ref.version
        path = folder / _checked(_NUMBER, number, "version") if number != "0" else None
        return path if path is not None and path.is_file() else None

    def value(self, ref: SecretRef) -> bytes:
        """Return the value of a version.

        Raises:
            NotFound: There is none, or it cannot be read.

        """
        path = self.find(ref)
        try:
            if path is not None:
                return path.read_bytes()
        except OSError as error:
            raise NotFound(f"Secret version {str(ref)!r} cannot be read: {error.strerror}.") from None
        raise NotFound(f"Secret version {str(ref)!r} does not exist.")

    def _publish(self, folder: Path, value: bytes) -> Entry:
        draft = folder / f".draft-{os.getpid()}-{id(value)}"
        try:
            _write(draft, value)
            for number in range(max(_numbers(folder), default=0) + 1, 10**9):
                with suppress(FileExistsError):
                    os.link(draft, folder / str(number))
                    break
        finally:
            draft.unlink(missing_ok=True)
        _sync(folder)
        return Entry(name=str(number), created_us=_time_us(folder / str(number)))

    def _folder(self, project: str, secret: str) -> Path:
        return self._root / _checked(_PROJECT, project, "project") / _checked(_SECRET, secret, "secret")

    def _existing(self, project: str, secret: str) -> Path:
        folder = self._folder(project, secret)
        if not folder.is_dir():
            raise NotFound(f"Secret {_name(project, secret)!r} does not exist.")
        return folder


def _name(project: str, secret: str) -> str:
    return f"projects/{project}/secrets/{secret}"


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    """Return ``text``, which becomes part of a path, if it has this form."""
    if not pattern.match(text):
        raise InvalidArgument(f"{what}: {text[:100]!r} cannot name a {what}.")
    return text


def _entries(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        yield from (entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _numbers(folder: Path) -> Sequence[int]:
    return [int(entry.name) for entry in _entries(folder) if _NUMBER.match(entry.name)]


def _entry(secret: str, folder: Path) -> Entry:
    return Entry(name=secret, created_us=_time_us(folder / _BORN))


def _time_us(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns // 1_000
    except OSError:
        return 0


def _write(path: Path, value: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - it is a descriptor
        file.write(value)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
