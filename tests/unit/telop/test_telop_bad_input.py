"""Files as they really come: each is read as well as it can be, or refused in words that an editor understands."""

import random
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")
np = pytest.importorskip("numpy")

from jubako_apps.telop import media, tracks  # noqa: E402
from jubako_apps.telop.decoding import Damage  # noqa: E402
from jubako_apps.telop.extract import extract  # noqa: E402
from jubako_apps.telop.intake import Unusable  # noqa: E402
from jubako_apps.telop.media import MediaError  # noqa: E402
from jubako_apps.telop.ocr import Line  # noqa: E402
from jubako_apps.telop.pipeline import RealStages  # noqa: E402
from jubako_apps.telop.receptions import Reception  # noqa: E402
from jubako_apps.telop.script import parse  # noqa: E402


class White:
    """Reads a text wherever there are white letters."""

    def read(self, image: Any) -> list[Line]:
        rows, columns = (image.min(axis=2) > 200).nonzero()
        if len(rows) <= 50:
            return []
        x, y = float(columns.min()), float(rows.min())
        box = (x, y, columns.max() - x, rows.max() - y)
        return [Line(text="HELLO WORLD", confidence=0.9, box=box)]


def telops(path: Path, damage: Damage | None = None) -> list[tuple[float, float, str]]:
    (whole,) = media.segments(media.probe(path).duration, 1000.0)
    return [(one.start, one.end, one.text) for one in extract(path, whole, White(), damage=damage)]


@pytest.fixture
def hello(caption):
    return (caption(start=1.0, end=4.0, text="HELLO WORLD"),)


@pytest.fixture
def plain(draw_clip, plan, hello) -> list[tuple[float, float, str]]:
    found = telops(draw_clip("plain.mp4", plan(captions=hello)))
    assert [text for _, _, text in found] == ["HELLO WORLD"]
    return found


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("hdr.mp4", {"codec": "libx265", "pixels": "yuv420p10le", "is_hdr": True}),
        ("prores.mov", {"codec": "prores_ks", "pixels": "yuv422p10le"}),
        ("main10.mkv", {"codec": "libx265", "pixels": "yuv420p10le"}),
        ("web.webm", {"codec": "libvpx-vp9", "tone": False}),
        ("silent.mp4", {"tone": False}),
        ("late.ts", {"offset": 90.0}),
    ],
)
def test_every_coding_of_the_same_pictures_gives_the_same_telop(draw_clip, plan, hello, plain, name, changes):
    [(start, end, text)] = telops(draw_clip(name, plan(captions=hello, **changes)))
    assert (start, end) == pytest.approx(plain[0][:2], abs=0.21)
    assert text == "HELLO WORLD"


def test_white_of_high_dynamic_range_is_white(draw_clip, plan, hello):
    path = draw_clip("hdr.mp4", plan(captions=hello, codec="libx265", pixels="yuv420p10le", is_hdr=True))
    [frame] = media.frames(path, 2.0, 2.2, 5.0)
    assert frame.luma.max() > 240
    assert frame.image().max() > 240


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_turned_video_is_read_upright(draw_clip, plan, turned):
    path = draw_clip("turned.mp4", plan(seconds=1.0, turned=turned, tone=False))
    upright = draw_clip("upright.mp4", plan(seconds=1.0, tone=False))
    facts = media.probe(path)
    assert (facts.width, facts.height) == ((320, 184) if turned == 180 else (184, 320))
    [shown], [straight] = ([*media.frames(one, 0.0, 0.2, 5.0)] for one in (path, upright))
    expected = np.rot90(straight.image(), turned // 90)
    assert np.abs(shown.image().astype(int) - expected).mean() < 8
    assert shown.luma.shape == ((184, 320) if turned == 180 else (320, 184))


def damaged(path: Path, target: Path) -> Path:
    """Spoil one byte in fifty between 40 and 55 percent of the file."""
    data, dice = bytearray(path.read_bytes()), random.Random(1)
    for place in range(int(len(data) * 0.4), int(len(data) * 0.55)):
        if dice.random() < 0.02:
            data[place] = dice.randrange(256)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts", "clip.mkv"])
def test_broken_packets_lose_only_their_own_moment_and_it_is_known_when(
    draw_clip, plan, caption, tmp_path, name
):
    captions = (caption(start=1.0, end=2.6, text="HELLO"), caption(start=9.0, end=11.5, text="WORLD"))
    options = (("movflags", "+faststart"),) if name.endswith("mp4") else ()
    whole = draw_clip(name, plan(seconds=12.0, captions=captions, options=options))
    path, damage = damaged(whole, tmp_path / name), Damage()
    assert media.probe(path).duration == pytest.approx(12.0, abs=0.3)
    starts = [start for start, _, _ in telops(path, damage)]
    assert [start for start in starts if start < 3 or start > 8.5] == [start for start, _, _ in telops(whole)]
    [(start, end)] = damage.spans(0.0, 12.0)
    assert 3.0 < start < end < 8.5
    assert len(media.audio(path)) == pytest.approx(12 * media.SAMPLE_RATE, abs=media.SAMPLE_RATE)


@pytest.mark.parametrize(("first", "last"), [(0.0, 0.6), (0.3, 1.0), (0.3, 0.7)])
def test_a_transport_stream_cut_anywhere_is_a_shorter_video(draw_clip, plan, tmp_path, first, last):
    data = draw_clip("clip.ts", plan(seconds=12.0)).read_bytes()
    path = tmp_path / "cut.ts"
    path.write_bytes(data[int(len(data) * first) + 77 : int(len(data) * last)])
    facts = media.probe(path)
    assert facts.duration == pytest.approx(12.0 * (last - first), abs=2.1)
    seen = list(media.frames(path, 0.0, facts.duration, 5.0))
    assert [frame.index for frame in seen] == list(range(len(seen)))
    assert len(seen) == pytest.approx(facts.duration * 5, abs=4)


def test_a_video_of_half_a_day_is_read_in_parts(draw_clip, plan):
    stamps = tuple(float(n) for n in range(0, 43_200, 600))
    path = draw_clip("day.mp4", plan(stamps=stamps, tone=False))
    facts = media.probe(path)
    assert facts.duration == pytest.approx(42_600, abs=601)
    cut = media.segments(facts.duration)
    assert len(cut) == pytest.approx(720, abs=11)
    assert len(list(media.frames(path, cut[700].start, cut[700].start + 2, 5.0))) == 10


CUES = ((1.0, 2.0, "Hello there"), (3.0, 4.5, "<i>Good</i> bye"))


@pytest.mark.parametrize(
    ("name", "kind"), [("subtitled.mkv", "srt"), ("subtitled.mp4", "mov_text"), ("a.mkv", "ass")]
)
def test_subtitles_in_a_track_of_their_own_are_a_script(draw_clip, plan, name, kind):
    path = draw_clip(name, plan(seconds=5.0, cues=CUES, subtitles=kind))
    assert media.probe(path).tracks == ("und",)
    transcript = parse(tracks.as_srt(path, "en"), ".srt", "en", [(0.0, 5.0)])
    assert [(one.start, one.end, one.text) for one in transcript.utterances] == [
        (1.0, 2.0, "Hello there"),
        (3.0, 4.5, "Good bye"),
    ]


def test_a_track_in_another_language_is_no_script():
    assert not tracks.is_for(("jpn",), "en")
    assert tracks.is_for(("jpn", "eng"), "en")
    assert tracks.is_for(("und",), "ja")


@pytest.mark.parametrize("stamps", [(), (0.0,)], ids=["no picture", "one picture"])
def test_a_video_of_no_length_is_refused_or_is_one_picture(draw_clip, plan, stamps):
    path = draw_clip("still.mp4", plan(stamps=stamps, tone=False))
    if stamps:
        assert media.probe(path).duration > 0
    else:
        with pytest.raises(MediaError, match=r"still\.mp4"):
            media.probe(path)


def test_pictures_that_break_off_lose_no_segment_before_that_although_all_are_followed_at_once(
    draw_clip, plan, tmp_path
):
    pytest.importorskip("rapidocr")
    options = (("movflags", "+faststart"),)
    whole = draw_clip("clip.mp4", plan(seconds=12.0, options=options, tone=False)).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    reception = Reception(
        id="r", fingerprint="f", name="cut.mp4", video=str(path), size=1, script=None, language="en",
        mode="balanced", duration=12.0, segment_seconds=2.0, segments=6,
    )  # fmt: skip
    stages = RealStages()
    assert stages.ocr(reception, path, range(6)) == {"segment": 0, "telops": [], "damaged": []}
    with pytest.raises(Unusable, match=r"cut\.mp4 is cut off"):
        stages.ocr(reception, path, range(2, 6))
