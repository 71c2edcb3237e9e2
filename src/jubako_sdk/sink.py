"""The one place where the tasks of a run put their results: objects with names, under ``OUTPUT_URI``.

1. An object is either absent or complete: readers never see half of one, whatever happens to its writer.
2. Names are deterministic and writes are idempotent, so doing work twice leaves what doing it once leaves.
3. ``if_absent`` writes only if nobody has written before; of two that race exactly one wins.
"""

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, Any, Protocol

OUTPUT_URI = "OUTPUT_URI"
NAME_BYTES_MAX = 1024
"""Cloud Storage, "Object name requirements"."""
PART_BYTES_MAX = 200
"""A file system allows 255 in one part of a path; the name of the unpublished file takes some."""
RESERVED = ".partial-"
"""Begins the names of files that are not published yet."""


class SinkError(Exception):
    """The sink cannot do this; the text says why."""


class ObjectNotFound(SinkError):
    """There is no object of that name."""


class Writer(Protocol):
    """What ``Sink.writer`` yields."""

    name: str
    """What the object will be called; may be changed until the block ends, when the content decides on the name."""

    @property
    def file(self) -> IO[bytes]:
        """Where the bytes go."""

    @property
    def published(self) -> bool:
        """After the block: whether these bytes became the object (false if ``if_absent`` found one)."""


class Sink(Protocol):
    """Objects under one place.

    Every method raises ``SinkError`` for a bad name or a bucket that refuses, and ``OSError`` for a bad disk.
    """

    uri: str

    def put(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Publish ``data`` durably; return False if ``if_absent`` and there was an object already."""

    def writer(self, name: str, *, if_absent: bool = False) -> AbstractContextManager[Writer]:
        """Publish what is written in the block when it ends well; nothing if it raises."""

    def get(self, name: str) -> bytes:
        """Return the object's bytes; raise ``ObjectNotFound`` if there is none."""

    def holds(self, name: str, data: bytes) -> bool:
        """Say whether the object is these bytes; raise ``ObjectNotFound`` if there is none."""

    def local_path(self, name: str) -> str:
        """Return a path where the object can be read; raise ``ObjectNotFound`` if there is none."""

    def exists(self, name: str) -> bool:
        """Say whether there is such an object."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that begin with ``prefix``, in order."""

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield, in order, what stands between ``prefix`` (which ends in a slash) and the next slash of names."""

    def delete(self, name: str) -> bool:
        """Remove the object; return False if there was none."""


def sink(uri: str | None = None) -> Sink:
    """Return the sink at ``uri``, or at ``$OUTPUT_URI``.

    Args:
        uri: ``file:///DIRECTORY`` or a plain path; a directory that does not exist is made at the first write. Or
            ``gs://BUCKET/PREFIX``, in Cloud Storage or in the emulator that ``STORAGE_EMULATOR_HOST`` names.

    Raises:
        SinkError: No place is given, or not one that can be written to.

    """
    place = uri if uri is not None else os.environ.get(OUTPUT_URI, "")
    if not place:
        raise SinkError(
            f"{OUTPUT_URI} is not set: say where results go, for example file:///var/lib/results."
        )
    # Imported when needed: each takes longer than the rest of this package.
    if place.startswith("gs://"):
        from jubako_sdk.object_sink import ObjectSink  # noqa: PLC0415

        return ObjectSink(place)
    from jubako_sdk.file_sink import FileSink  # noqa: PLC0415

    return FileSink(_directory(place))


def put_once(target: Sink, name: str, data: bytes) -> bool:
    """Publish ``data`` under a name that is never given to other bytes.

    Returns:
        False if the object was there already; it is these bytes.

    Raises:
        SinkError: The object is there with other bytes, and stays so.

    """
    if target.put(name, data, if_absent=True):
        return True
    if not target.holds(name, data):
        raise SinkError(f"object {name!r} is in {target.uri} already, with other content.")
    return False


def put_json(target: Sink, name: str, value: object, *, if_absent: bool = False) -> bool:
    """Publish ``value`` as JSON; equal values give equal bytes (sorted keys, UTF-8, no NaN)."""
    return target.put(name, encode_json(value), if_absent=if_absent)


def get_json(source: Sink, name: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value of a JSON object.

    Raises:
        ObjectNotFound: There is none.
        SinkError: It is not JSON.

    """
    try:
        return json.loads(source.get(name))
    except ValueError as error:
        raise SinkError(f"object {name!r} is not JSON: {error}") from error


def encode_json(value: object) -> bytes:
    """Return canonical JSON: the same bytes for equal values, one newline at the end."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def check_name(name: str) -> str:
    """Return ``name`` if an object may be called so.

    Raises:
        SinkError: Empty, absolute, too long, with ``.`` or ``..`` or an empty part, with control characters or
            backslashes, or beginning like an unpublished file.

    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise SinkError(f"object name {name!a} is not valid Unicode.") from None
    if not 0 < size <= NAME_BYTES_MAX:
        raise SinkError(f"object name {name[:40]!r} must have 1 to {NAME_BYTES_MAX} bytes; it has {size}.")
    if any(ord(char) < 32 or ord(char) == 127 or char == "\\" for char in name):
        raise SinkError(f"object name {name!a} holds a control character or a backslash.")
    for part in name.split("/"):
        if part in {"", ".", ".."} or part.startswith(RESERVED):
            raise SinkError(f"object name {name!r} may not have {part!r} as a part of its path.")
        if len(part.encode()) > PART_BYTES_MAX:
            raise SinkError(f"object name {name[:40]!r}... has a part longer than {PART_BYTES_MAX} bytes.")
    return name


def _directory(place: str) -> str:
    if "://" not in place:
        path = place
    else:
        from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - import time

        parts = urlsplit(place)
        if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
            raise SinkError(
                f"{place}: only gs://BUCKET, file:///DIRECTORY and plain paths can be written to."
            )
        path = unquote(parts.path)
    if "\0" in path or not path:
        raise SinkError(f"{place!a} names no directory.")
    return os.path.abspath(path)  # noqa: PTH100 - pathlib would not remove `..`
