"""Small pictures of telops, the suspect part marked by a bar below it, for the report."""

import io
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from jubako_apps.telop import media
from jubako_apps.telop.findings import Finding
from jubako_apps.telop.media import MediaError
from jubako_apps.telop.telops import Telop
from jubako_apps.telop.widths import part

if TYPE_CHECKING:
    from PIL.Image import Image

CROPS_MAX: Final = 300
"""Telops that get a picture; a report of more findings than that is read by its text."""

_AT_ONCE: Final = 2
_FORESEEN_MAX: Final = 64
"""They are held uncompressed."""

_WIDTH_MAX: Final = 560
_QUALITY: Final = 72
_FPS: Final = 5.0
_MARGIN: Final = (0.015, 0.02)
_TALL: Final = 1.9
_INK: Final = "#ff3030"
_STRIP: Final = "#202020"


class Pictures:
    """The pictures of one video's telops, cut out by threads: decoding holds no lock of Python's."""

    def __init__(self, video: Path) -> None:
        self._video = video
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._cuts: dict[int, Future[_Cut | None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def foresee(self, telop: Telop) -> None:
        """Begin to cut out a telop that probably gets a picture, while something else is still being done."""
        if len(self._cuts) < _FORESEEN_MAX:
            self._begin(telop)

    def crops(self, telops: Iterable[Telop], findings: Iterable[Finding]) -> Mapping[int, bytes]:
        """Return a JPEG for each telop with findings, by telop id. A picture that cannot be read is left out."""
        wanted: dict[int, list[Finding]] = {}
        for finding in findings:
            wanted.setdefault(finding.telop_id, []).append(finding)
        chosen = list(islice((telop for telop in telops if telop.id in wanted), CROPS_MAX))
        for telop in chosen:
            self._begin(telop)
        # Behind what it waits for in the same queue, so none waits for ever.
        pictures = self._pool.map(lambda telop: self._marked(telop, wanted[telop.id]), chosen)
        return {
            telop.id: picture for telop, picture in zip(chosen, pictures, strict=True) if picture is not None
        }

    def _begin(self, telop: Telop) -> None:
        if telop.id not in self._cuts:
            self._cuts[telop.id] = self._pool.submit(_cut, self._video, telop)

    def _marked(self, telop: Telop, findings: list[Finding]) -> bytes | None:
        cut = self._cuts.pop(telop.id).result()
        if cut is None:
            return None
        # Where a sign stands is only estimated, and only in one line.
        if cut.height * _TALL * len(telop.text) ** 0.5 < cut.width or len(telop.text) <= 3:
            return _jpeg(_underlined(cut.picture, telop.text, findings, (cut.left, cut.width)))
        return _jpeg(cut.picture)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A telop with a margin around it; where its text begins in there, and the text's size, in pixels."""

    picture: "Image"
    left: float
    width: float
    height: float


def _cut(video: Path, telop: Telop) -> _Cut | None:
    from PIL import Image  # noqa: PLC0415 - only the report paints

    middle = int((telop.start + telop.end) / 2 * _FPS) / _FPS
    try:
        frame = next(media.frames(video, max(telop.start, middle), telop.end + 1, _FPS), None)
    except MediaError:
        return None
    if frame is None:
        return None
    whole = Image.fromarray(frame.image())
    width, height = whole.size
    x, y, w, h = (value * side for value, side in zip(telop.box, (width, height) * 2, strict=True))
    dx, dy = _MARGIN[0] * width, _MARGIN[1] * height
    box = (
        max(0, int(x - dx)),
        max(0, int(y - dy)),
        min(width, int(x + w + dx)),
        min(height, int(y + h + dy)),
    )
    if box[2] - box[0] < 2 or box[3] - box[1] < 2:
        return None
    return _Cut(picture=whole.crop(box), left=x - box[0], width=w, height=h)


def _underlined(crop: "Image", text: str, findings: list[Finding], line: tuple[float, float]) -> "Image":
    """Return the crop with a strip below it, in which bars stand under the suspect parts: no letter is covered."""
    from PIL import Image, ImageDraw  # noqa: PLC0415

    thick = max(5, crop.height // 7)
    marked = Image.new("RGB", (crop.width, crop.height + thick), _STRIP)
    marked.paste(crop)
    draw = ImageDraw.Draw(marked)
    for finding in findings:
        first, last = part(text, finding.offset, max(1, len(finding.wrong)))
        left, right = line[0] + first * line[1], line[0] + last * line[1]
        draw.rectangle((left, crop.height, max(right, left + thick), marked.height), fill=_INK)
    return marked


def _jpeg(picture: "Image") -> bytes:
    if picture.width > _WIDTH_MAX:
        picture = picture.resize((_WIDTH_MAX, max(1, round(picture.height * _WIDTH_MAX / picture.width))))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()
