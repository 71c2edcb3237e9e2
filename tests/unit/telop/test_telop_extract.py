"""Detection of whole videos, cut in different ways; the reader here only fingerprints what it is shown."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")
pytest.importorskip("cv2")
pytest.importorskip("numpy")

from jubako_apps.telop import media
from jubako_apps.telop.extract import Lookout, Options, extract
from jubako_apps.telop.media import Segment
from jubako_apps.telop.merge import merge
from jubako_apps.telop.ocr import Line
from jubako_apps.telop.telops import Telop, telop_to_json

SECONDS = 60.0


class Fingerprint:
    """An engine that reads a picture as its checksum: another crop, another text."""

    def __init__(self) -> None:
        self.calls = 0

    def read(self, image: Any) -> list[Line]:
        self.calls += 1
        height, width = image.shape[:2]
        box = (width * 0.25, height * 0.45, width * 0.5, height * 0.1)
        return [Line(text=f"crc {zlib.crc32(image.tobytes()):08x}", confidence=0.99, box=box)]


@pytest.fixture(scope="module")
def story(draw_clip, plan, caption):
    """A minute with short texts, two at once, a cut from one text to the next, and two that stay very long."""
    short = [caption(start=2.3 + 3.7 * n, end=4.9 + 3.7 * n, text=f"Caption {n}") for n in range(15)]
    cut = [
        caption(start=13.4, end=17.1, text="First name", y=60),
        caption(start=17.1, end=19.9, text="Second", y=60),
    ]
    name = caption(start=31.9, end=34.5, text="Two at once", y=60)
    long_ones = [
        caption(start=5.1, end=41.7, text="LIVE", x=250, y=10),
        caption(start=22.0, end=SECONDS, text="Weather", x=20, y=10),
    ]
    return draw_clip(
        "story.mp4", plan(seconds=SECONDS, tone=False, captions=(*short, *cut, name, *long_ones))
    )


def found_by(story: Path, length: float, options: Options | None = None) -> tuple[list[list[Telop]], int]:
    engine = Fingerprint()
    shards = [extract(story, s, engine, options) for s in media.segments(SECONDS, length)]
    return shards, engine.calls


def essence(telops: list[Telop]) -> str:
    """Everything but what names the segment."""
    plain = [{k: v for k, v in telop_to_json(t).items() if k not in {"id", "segment"}} for t in telops]
    return json.dumps(plain)


@pytest.fixture(scope="module")
def whole(story):
    return found_by(story, 1000.0)


def test_the_whole_story_is_seen(whole):
    shards, calls = whole
    telops = merge(shards)
    assert len(telops) == 20
    assert calls <= 1.3 * len(telops)
    assert not any(t.open_end for t in telops)
    ends = {round(t.start, 1): t.end for t in telops}
    assert ends[5.2] == pytest.approx(41.7, abs=0.25)
    assert ends[22.0] == pytest.approx(SECONDS, abs=0.25)
    assert [t.start for t in telops] == sorted(t.start for t in telops)


@pytest.mark.slow
@pytest.mark.parametrize("length", [15.0, 17.0, 7.3, 5.1, 31.0])
def test_segments_together_give_the_telops_of_the_whole_byte_by_byte(story, whole, length):
    shards, _ = found_by(story, length)
    assert essence(merge(shards)) == essence(merge(whole[0]))


@pytest.mark.slow
@pytest.mark.parametrize(("length", "task"), [(10.0, 2), (10.0, 3), (7.3, 4), (3.1, 7), (15.0, 9)])
def test_segments_followed_in_stretches_give_the_same_and_no_sample_is_looked_at_twice(
    story, whole, length, task
):
    cut = media.segments(SECONDS, length)
    shards, engine = [], Fingerprint()
    for first in range(0, len(cut), task):
        stretch = cut[first : first + task]
        lookout = Lookout(story, stretch, engine)
        shards += [lookout.telops(segment) for segment in stretch]
    assert essence(merge(shards)) == essence(merge(whole[0]))
    assert engine.calls == whole[1]
    assert all(t.segment == segment.index for segment, shard in zip(cut, shards, strict=True) for t in shard)


def test_a_segment_owns_what_starts_in_it_and_ids_are_unique(story):
    shards, _ = found_by(story, 15.0)
    for segment, shard in zip(media.segments(SECONDS, 15.0), shards, strict=True):
        assert all(segment.start <= t.start < segment.end for t in shard if not t.open_start)
        assert all(t.start < segment.start for t in shard if t.open_start)
        assert all(t.segment == segment.index == t.id // 100_000 for t in shard)
    ids = [t.id for shard in shards for t in shard]
    assert len(set(ids)) == len(ids)


def test_a_telop_that_outlasts_the_view_is_open_and_leaves_tails(story):
    shards, _ = found_by(story, 15.0, Options(post_roll=6.0))
    live = next(t for t in shards[0] if t.start == pytest.approx(5.2))
    assert live.open_end
    assert live.end == pytest.approx(21.0, abs=0.2)
    assert any(t.open_start and t.open_end for t in shards[1])
    assert next(t for t in merge(shards) if t.id == live.id).end == pytest.approx(41.8, abs=0.25)


def test_one_telop_more_does_not_renumber_the_others(story, draw_clip, plan, caption):
    more = draw_clip(
        "more.mp4",
        plan(
            seconds=15.0,
            tone=False,
            captions=(
                caption(start=2.3, end=4.9, text="Caption 0"),
                caption(start=5.3, end=8.1, text="Late", y=60),
                caption(start=6.0, end=8.6, text="Caption 1"),
            ),
        ),
    )
    segment = Segment(index=0, start=0.0, end=15.0)
    before = {t.start: t.id for t in extract(story, segment, Fingerprint())}
    after = {t.start: t.id for t in extract(more, segment, Fingerprint())}
    same = before.keys() & after.keys()
    assert len(same) >= 2
    assert all(before[start] == after[start] for start in same)


def test_progress_rises_to_one(story):
    told: list[float] = []
    extract(story, Segment(index=1, start=15.0, end=30.0), Fingerprint(), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert 0 < told[0] < 0.1


def test_a_film_without_captions_gives_nothing_and_reads_nothing(draw_clip, plan):
    engine = Fingerprint()
    path = draw_clip("bare.mp4", plan(seconds=6.0, tone=False))
    assert extract(path, Segment(index=0, start=0.0, end=6.0), engine) == []
    assert engine.calls == 0


class TwoSizes(Fingerprint):
    """An engine that sees a small line above a large one wherever it looks."""

    def read(self, image: Any) -> list[Line]:
        height, width = image.shape[:2]
        places = (("Mayor Patricia Young", 0.4, 0.08), ("The budget was approved by all", 0.5, 0.12))
        return [
            Line(text=text, confidence=0.99, box=(width * 0.2, height * y, width * 0.6, height * h))
            for text, y, h in places
        ]


def test_a_name_right_above_a_caption_is_a_telop_of_its_own(story):
    telops = extract(story, media.Segment(index=0, start=0.0, end=4.0), TwoSizes())
    assert [telop.text for telop in telops] == ["Mayor Patricia Young", "The budget was approved by all"]
    assert len({telop.id for telop in telops}) == 2
    assert len({(telop.start, telop.end) for telop in telops}) == 1
