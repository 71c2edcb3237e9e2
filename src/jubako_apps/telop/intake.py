"""Taking a video in: everything that can be refused is refused here, before anything is kept.

Order, so that a crash or a refusal leaves nothing that counts:

1. The words of the request are checked before its body is read.
2. The body streams into an unpublished object; it is measured, hashed and probed there.
3. Only then it gets a name, ``video-HASH`` under the reception's own, so that two requests with the same key and
   different content cannot mix.
4. The record comes last and is created, not written: whoever creates it has made the reception.
"""

import asyncio
import errno
import hashlib
import re
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

from jubako_apps.telop import receptions, sources
from jubako_apps.telop.receptions import Reception
from jubako_apps.telop.recognisers import BUILT_IN
from jubako_apps.telop.settings import Settings
from jubako_apps.telop.wishes import Refused, Wish, display_name
from jubako_sdk import Sink, Writer

SCRIPT_BYTES_MAX = 16 * 1024 * 1024
SCRIPT_KINDS = (".srt", ".vtt", ".ttml", ".xml", ".txt")
LIST_KINDS = (".csv",)

_KINDS = {"script": SCRIPT_KINDS, "glossary": LIST_KINDS, "ng_words": LIST_KINDS}
_IDS = {
    "script": re.compile(r"s-[0-9a-f]{32}\.(srt|vtt|ttml|xml|txt)\Z"),
    "glossary": re.compile(r"l-[0-9a-f]{32}\.csv\Z"),
    "ng_words": re.compile(r"l-[0-9a-f]{32}\.csv\Z"),
}
_FOLDERS = {"script": "scripts", "glossary": "lists", "ng_words": "lists"}
_POSTS = {"script": "POST /scripts", "glossary": "POST /lists", "ng_words": "POST /lists"}
_BLOCK_BYTES = 1024 * 1024
_AT_ONCE = frozenset({sources.SCRIPT, sources.TRACK, sources.NOBODY})
"""Sources that are read as a whole, by one task."""


class Unusable(Exception):
    """A video or script that cannot be worked with; the text is a sentence for a caption editor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the reception must know about a video.

    Attributes:
        duration: Seconds.
        has_audio: Whether there is sound.
        tracks: The languages of its subtitle tracks of text.

    """

    duration: float
    has_audio: bool
    tracks: tuple[str, ...] = ()


class Reader(Protocol):
    """Looks into files. Its methods block, and raise `Unusable`."""

    def probe(self, path: Path) -> Facts:
        """Say what the video is."""

    def segments(self, duration: float, length: float) -> int:
        """Say into how many segments it is cut."""

    def check_script(self, data: bytes, kind: str, language: str) -> None:
        """Accept the script; ``kind`` is its file name's suffix, ``language`` tells old encodings apart."""

    def check_list(self, data: bytes, language: str) -> None:
        """Accept a list of words."""

    def has_track(self, facts: Facts, language: str) -> bool:
        """Say whether one of the subtitle tracks is in this language."""

    def speech_parts(self, duration: float) -> int:
        """Say among how many tasks listening is divided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """The bytes of a script or a list, its kind (a suffix) and a hash over both."""

    data: bytes
    kind: str
    digest: str


Attached = Mapping[str, Attachment]
"""What comes with a video, by the name of its field."""


class Intake:
    """Takes videos and scripts into the sink."""

    def __init__(self, sink: Sink, settings: Settings, reader: Reader) -> None:
        self._sink = sink
        self._settings = settings
        self._reader = reader

    async def script(self, body: AsyncIterator[bytes], name: str, language: str) -> str:
        """Keep a script for a later request; return what ``script=`` is to say there."""
        return await self._keep("script", body, name, language)

    async def word_list(self, body: AsyncIterator[bytes], name: str, language: str) -> str:
        """Keep a list for a later request; return what ``glossary=`` or ``ng_words=`` is to say there."""
        return await self._keep("glossary", body, name, language)

    async def _keep(self, field: str, body: AsyncIterator[bytes], name: str, language: str) -> str:
        data = bytearray()
        async for chunk in body:
            data += chunk
            if len(data) > SCRIPT_BYTES_MAX:
                what = "script" if field == "script" else "list"
                raise Refused(413, f"The {what} is larger than {SCRIPT_BYTES_MAX} bytes.")
        kind = _kind(field, name)
        await asyncio.to_thread(self._check, field, bytes(data), kind, language)
        folder = _FOLDERS[field]
        identifier = f"{folder[0]}-{hashlib.sha256(data).hexdigest()[:32]}{kind}"
        await asyncio.to_thread(self._sink.put, f"{folder}/{identifier}", bytes(data), if_absent=True)
        return identifier

    async def upload(self, body: AsyncIterator[bytes], wish: Wish) -> tuple[Reception, bool]:
        """Take an uploaded video in; return the reception and whether this request made it."""
        attached = await asyncio.to_thread(self._read_attached, wish)
        try:
            async with _writing(self._sink, "uploads/video") as writer:
                digest, size = await self._receive(body, writer.file)
                found = await asyncio.to_thread(
                    self._describe, Path(writer.file.name), digest, size, wish, attached
                )
                writer.name = f"{receptions.home(found.id)}video-{digest[:16]}"
                reception = replace(found, video=writer.name)
                await asyncio.to_thread(self._stop_if_known, reception)
        except _Known as known:
            return known.reception, False
        return await asyncio.to_thread(self._record, reception, attached, uploaded=True)

    async def by_path(self, path: str, wish: Wish) -> tuple[Reception, bool]:
        """Take a video on the server in; see `upload`."""
        return await asyncio.to_thread(self._by_path, path, wish)

    def _by_path(self, path: str, wish: Wish) -> tuple[Reception, bool]:
        attached = self._read_attached(wish)
        place = self._place("path", path)
        digest, size = _hash_file(place)
        reception = replace(self._describe(place, digest, size, wish, attached), video=str(place))
        if self._known(reception):
            return self._existing(reception.id), False
        return self._record(reception, attached, uploaded=False)

    async def _receive(self, body: AsyncIterator[bytes], file: IO[bytes]) -> tuple[str, int]:
        digest, size, block = hashlib.sha256(), 0, bytearray()

        def keep(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        async for chunk in body:
            size += len(chunk)
            if size > self._settings.upload_bytes_max:
                raise Refused(413, too_large(self._settings))
            block += chunk
            if len(block) >= _BLOCK_BYTES:
                await asyncio.to_thread(keep, bytes(block))
                block.clear()
        if size == 0:
            raise Refused(
                400,
                "The video is empty: not one byte of it has arrived. Send its bytes, or JSON with its path.",
            )
        await asyncio.to_thread(keep, bytes(block))
        await asyncio.to_thread(file.flush)
        return digest.hexdigest(), size

    def _describe(self, path: Path, digest: str, size: int, wish: Wish, attached: Attached) -> Reception:
        script = attached.get("script")
        try:
            facts = self._reader.probe(path)
        except Unusable as error:
            raise Refused(422, str(error).replace(path.name, wish.name)) from error
        speech = self._source(facts, wish, has_script=script is not None)
        more = {field: one.digest for field, one in attached.items() if field != "script"}
        more |= {} if speech in {sources.SCRIPT, BUILT_IN} else {"speech": speech}
        print_ = receptions.fingerprint(digest, script.digest if script else None, wish.options() | more)
        identifier = receptions.reception_id(print_, wish.key)
        segments = self._reader.segments(facts.duration, wish.segment_seconds)
        names = {
            field: f"{receptions.home(identifier)}{field}-{one.digest[:16]}{one.kind}"
            for field, one in attached.items()
        }
        return Reception(
            id=identifier,
            fingerprint=print_,
            name=wish.name,
            video="",
            size=size,
            script=names.get("script"),
            language=wish.language,
            mode=wish.mode,
            duration=facts.duration,
            segment_seconds=wish.segment_seconds,
            segments=segments,
            speech=speech,
            speech_parts=1 if speech in _AT_ONCE else self._reader.speech_parts(facts.duration),
            glossary=names.get("glossary"),
            ng_words=names.get("ng_words"),
        )

    def _source(self, facts: Facts, wish: Wish, *, has_script: bool) -> str:
        given = sources.Given(
            name=wish.name,
            language=wish.language,
            has_script=has_script,
            has_track=self._reader.has_track(facts, wish.language),
            has_sound=facts.has_audio,
        )
        try:
            return sources.source_of(given, wish.speech, self._settings.speech_models)
        except sources.NobodyKnows as error:
            raise Refused(422, str(error)) from error

    def _stop_if_known(self, reception: Reception) -> None:
        if self._known(reception):
            raise _Known(self._existing(reception.id))

    def _known(self, reception: Reception) -> bool:
        """Say whether it exists; refuse if what exists under the same key is something else."""
        found = receptions.load(self._sink, reception.id)
        if found is not None and found.fingerprint != reception.fingerprint:
            raise Refused(409, "Idempotency-Key: was used before for another video, script or options.")
        return found is not None

    def _record(self, reception: Reception, attached: Attached, *, uploaded: bool) -> tuple[Reception, bool]:
        names = _attached_names(reception)
        for field, one in attached.items():
            self._sink.put(names[field], one.data, if_absent=True)
        if receptions.create(self._sink, reception):
            return reception, True
        found = self._existing(reception.id)
        # Somebody was faster under the same id. What they do not use goes.
        if uploaded and found.video != reception.video:
            self._sink.delete(reception.video)
        for name in set(names.values()) - set(_attached_names(found).values()):
            self._sink.delete(name)
        self._known(reception)
        return found, False

    def _existing(self, identifier: str) -> Reception:
        found = receptions.load(self._sink, identifier)
        assert found is not None, identifier
        return found

    def _read_attached(self, wish: Wish) -> Attached:
        wanted = {"script": wish.script, "glossary": wish.glossary, "ng_words": wish.ng_words}
        return {field: self._read(field, name, wish.language) for field, name in wanted.items() if name}

    def _read(self, field: str, wanted: str, language: str) -> Attachment:
        if _IDS[field].match(wanted):
            name = f"{_FOLDERS[field]}/{wanted}"
            if not self._sink.exists(name):
                raise Refused(422, f"{field}: {wanted} was not uploaded here ({_POSTS[field]}).")
            data, kind = self._sink.get(name), _kind(field, wanted)
        else:
            place = self._place(field, wanted)
            kind = _kind(field, place.name)
            if place.stat().st_size > SCRIPT_BYTES_MAX:
                raise Refused(413, f"{field}: {place.name} is larger than {SCRIPT_BYTES_MAX} bytes.")
            data = place.read_bytes()
        self._check(field, data, kind, language)
        return Attachment(data=data, kind=kind, digest=hashlib.sha256(kind.encode() + data).hexdigest())

    def _check(self, field: str, data: bytes, kind: str, language: str) -> None:
        try:
            if field == "script":
                self._reader.check_script(data, kind, language)
            else:
                self._reader.check_list(data, language)
        except Unusable as error:
            raise Refused(422, str(error)) from error

    def _place(self, field: str, text: str) -> Path:
        """Return the regular, readable file that ``text`` names, with links resolved."""
        if "\0" in text or not text.startswith("/"):
            raise Refused(400, f"{field}: must be an absolute path on the server.")
        try:
            place = Path(text).resolve(strict=True)
            # Opening a pipe or a device could wait for ever: look first.
            is_file = stat.S_ISREG(place.stat().st_mode)
        except (OSError, RuntimeError, ValueError) as error:
            raise Refused(422, f"{field}: {text!r} cannot be read: {_why(error)}.") from error
        roots = [self._settings.input_root, *(root.resolve() for _, root in self._settings.buckets)]
        if not any(place.is_relative_to(root) for root in roots):
            raise Refused(403, f"{field}: only files under {self._settings.input_root} may be named.")
        if not is_file:
            raise Refused(422, f"{field}: {text!r} is no file.")
        try:
            place.open("rb").close()
        except OSError as error:
            raise Refused(422, f"{field}: {text!r} cannot be read: {_why(error)}.") from error
        return place


class _Known(Exception):
    """Leaves the writing block without publishing: the reception exists already."""

    def __init__(self, reception: Reception) -> None:
        super().__init__(reception.id)
        self.reception = reception


def too_large(settings: Settings) -> str:
    """Return the sentence for a body beyond the limit."""
    return f"The video is larger than {settings.upload_bytes_max} bytes (TELOP_UPLOAD_BYTES_MAX)."


def refusal_of(error: OSError) -> Refused:
    """Return what to answer when the server's own disk fails."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Refused(507, "The server has no room left for this video.")
    return Refused(500, "The server cannot write its files.")


@asynccontextmanager
async def _writing(sink: Sink, name: str) -> AsyncIterator[Writer]:
    stack = ExitStack()
    writer = await asyncio.to_thread(stack.enter_context, sink.writer(name))
    try:
        yield writer
    except BaseException:
        stack.__exit__(*sys.exc_info())
        raise
    await asyncio.to_thread(stack.close)


def _hash_file(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def _attached_names(reception: Reception) -> dict[str, str]:
    names = {"script": reception.script, "glossary": reception.glossary, "ng_words": reception.ng_words}
    return {field: name for field, name in names.items() if name}


def _kind(field: str, name: str) -> str:
    kind = Path(name).suffix.lower()
    if kind not in _KINDS[field]:
        raise Refused(
            400, f"{field}: the name must end in {', '.join(_KINDS[field])}; it is {display_name(name)!r}."
        )
    return kind


def _why(error: Exception) -> str:
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else "bad name"
