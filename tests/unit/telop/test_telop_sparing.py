"""Pictures that nobody looks at are not decoded, and nobody sees a difference."""

from pathlib import Path

import pytest

av = pytest.importorskip("av")
pytest.importorskip("numpy")

from jubako_apps.telop import media  # noqa: E402
from jubako_apps.telop.container import opened, pictures, time_of  # noqa: E402
from jubako_apps.telop.decoding import decode_from, decoded  # noqa: E402

BETWEEN = (("bf", "3"), ("x264-params", "b-adapt=0"))
INTERLACED = (("bf", "3"), ("x264-params", "b-adapt=0:tff=1"))
UNEVEN = (0.0, 0.1, 0.15, 0.2, 0.45, 0.5, 0.55, 1.3, 1.35, 1.4, 1.45, 2.9, 3.0, 3.05, 3.1)


def sampled(path: Path, fps: float) -> int:
    """Return how many pictures are decoded for ``fps`` samples a second."""
    with opened(path) as container:
        return sum(1 for _ in decode_from(container, pictures(container, path), 0.0, fps))


def on_screen(path: Path, fps: float) -> list[bytes]:
    """Return the picture of each sample, every picture having been decoded."""
    with opened(path) as container:
        shown = [
            (time_of(picture, container), picture.to_ndarray(format="gray").tobytes())
            for picture in decoded(container, pictures(container, path))
        ]
    count = len(list(media.frames(path, 0.0, 1e9, fps)))
    return [next(data for time, data in reversed(shown) if time <= n / fps + 0.001) for n in range(count)]


@pytest.mark.parametrize("fps", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("stamps", [None, UNEVEN])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_every_sample_is_the_picture_on_screen_with_or_without_sparing(draw_clip, plan, name, stamps, fps):
    path = draw_clip(name, plan(seconds=4.0, stamps=stamps, coding=BETWEEN, tone=False))
    seen = [frame.picture.to_ndarray(format="gray").tobytes() for frame in media.frames(path, 0.0, 1e9, fps)]
    assert len(seen) > 3 * fps
    assert seen == on_screen(path, fps)


def test_pictures_between_samples_that_no_other_is_built_from_are_left_out(draw_clip, plan):
    path = draw_clip("clip.mp4", plan(seconds=12.0, coding=BETWEEN, tone=False))
    assert sampled(path, 1.0) < 0.8 * 120
    assert sampled(path, 10.0) == 120


@pytest.mark.parametrize("changes", [{"coding": INTERLACED}, {"codec": "libx265"}])
def test_where_leaving_out_might_do_harm_everything_is_decoded(draw_clip, plan, changes):
    path = draw_clip("clip.mp4", plan(seconds=12.0, tone=False, **changes))
    assert sampled(path, 1.0) == 120
