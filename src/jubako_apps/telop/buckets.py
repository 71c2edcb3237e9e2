"""Objects of buckets as videos: by name in a request, or by the event that Cloud Storage sends when one is finalized.

A bucket is reached through the directory where it is mounted (``TELOP_BUCKETS=BUCKET=/DIRECTORY,..``; Cloud Run mounts
buckets as volumes). Nothing else of the machine can be named this way.

Events are CloudEvents over HTTP, in binary or structured mode, of type ``google.cloud.storage.object.v1.finalized``
(Eventarc, "Cloud Storage events"). The same object in the same generation is the same reception, however often its
event comes. Its metadata may say ``telop-language``, ``telop-mode`` and ``telop-speech``; a script beside it, with the
same name but for the suffix, is used.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from starlette.requests import Request

from jubako_apps.telop.intake import SCRIPT_KINDS
from jubako_apps.telop.settings import Settings
from jubako_apps.telop.views import json_body
from jubako_apps.telop.wishes import Refused, Wish, wish_from

FINALIZED: Final = "google.cloud.storage.object.v1.finalized"
VIDEOS: Final = frozenset(
    {
        ".mp4",
        ".mov",
        ".m4v",
        ".mkv",
        ".webm",
        ".ts",
        ".m2ts",
        ".mts",
        ".mxf",
        ".mpg",
        ".mpeg",
        ".avi",
        ".wmv",
        ".flv",
    }
)
_SAID: Final = ("language", "mode", "speech")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalized:
    """A video that has landed in a bucket."""

    name: str
    path: Path
    wish: Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """An event that is none of ours, and why."""

    reason: str


def placed(bucket: str, name: str, settings: Settings) -> Path:
    """Return the file that is the object.

    Raises:
        Refused: The bucket is not mounted, or the name leads out of it.

    """
    root = dict(settings.buckets).get(bucket)
    if root is None:
        raise Refused(422, f"bucket: {bucket[:80]!r} is not mounted here (TELOP_BUCKETS).")
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise Refused(400, f"object: {name[:80]!r} is no name of an object.")
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise Refused(400, f"object: {name[:80]!r} leads out of the bucket.")
    return path


async def finalized_from(request: Request, settings: Settings) -> Finalized | Passed:
    """Read the event.

    Raises:
        Refused: It is no CloudEvent, or names a bucket that is not mounted here.

    """
    kind, data = await _event(request)
    if kind != FINALIZED:
        return Passed(reason=f"events of type {kind[:80]!r} start nothing")
    bucket, name = str(data.get("bucket", "")), str(data.get("name", ""))
    path = placed(bucket, name, settings)
    if path.suffix.lower() not in VIDEOS:
        return Passed(reason=f"{name[-80:]!r} is no video by its name")
    metadata = data.get("metadata")
    said = metadata if isinstance(metadata, dict) else {}
    words = {word: str(said[f"telop-{word}"]) for word in _SAID if f"telop-{word}" in said}
    script = next((one for kind in SCRIPT_KINDS if (one := path.with_suffix(kind)).is_file()), None)
    wanted = {"name": name, "language": settings.language, **words} | (
        {"script": str(script)} if script else {}
    )
    named = f"gs://{bucket}/{name}#{data.get('generation', '')}"
    key = "gs-" + hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()
    return Finalized(name=f"gs://{bucket}/{name}", path=path, wish=wish_from(wanted, key, settings))


def _parsed(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(400, "The event's data is not JSON.") from None
    return value


async def _event(request: Request) -> tuple[str, dict[str, Any]]:
    """Return type and data of a CloudEvent (HTTP Protocol Binding 1.0)."""
    body: Any = await json_body(request)
    kind = request.headers.get("ce-type")
    if kind is None:
        kind, body = str(body.get("type", "")), body.get("data")
    data = _parsed(body) if isinstance(body, str) else body
    if not kind or not isinstance(data, dict):
        raise Refused(400, "The body is no CloudEvent: there is no type, or no data.")
    return kind, data
