from typing import Any

import pytest

pytest.importorskip("cv2")
np = pytest.importorskip("numpy")
pytest.importorskip("PIL")

from PIL import Image, ImageDraw, ImageFont  # noqa: E402

from jubako_apps.telop.detect import GAP, MEMORY, Track, Tracker, along_rows, components, in_lanes  # noqa: E402

HEIGHT, WIDTH = 184, 320
Words = tuple[int, int, str]


def luma(index: int, *words: Words) -> Any:
    """A sample: a texture that has moved on since the last one, and (x, y, text) that have not."""
    grain = np.random.default_rng(index).integers(70, 130, (HEIGHT // 8, WIDTH // 8), dtype=np.uint8)
    image = Image.fromarray(np.kron(grain, np.ones((8, 8), np.uint8)))
    draw = ImageDraw.Draw(image)
    for x, y, text in words:
        draw.text((x, y), text, 255, font=ImageFont.load_default(size=22), stroke_width=2, stroke_fill=0)
    return np.asarray(image)


def track(samples: list[list[Words]], first: int = 0) -> tuple[Tracker, list[Track]]:
    """Follow a list of samples, each a list of words."""
    tracker = Tracker()
    seen: list[Track] = []
    for index, words in enumerate(samples, start=first):
        seen += tracker.push(index, luma(index, *words))
    seen += tracker.finish()
    return tracker, in_lanes(seen)


LOW, HIGH = (20, 140, "Lower caption"), (20, 40, "Name of guest")


def test_a_standing_text_is_one_track_from_its_first_to_its_last_sample():
    _, found = track([[]] * 10 + [[LOW]] * 15 + [[]] * 10)
    assert [(t.start, t.last, t.closed) for t in found] == [(10, 24, True)]
    assert (np.abs(np.subtract(found[0].box(), (20, 144, 150, 20))) <= (8, 8, 25, 10)).all()


def test_a_text_of_less_than_a_second_is_a_track_and_so_is_the_one_that_follows_at_once():
    other = (20, 140, "Other words here")
    _, found = track([[]] * 10 + [[LOW]] * 4 + [[other]] * 10 + [[]] * 10)
    assert [(t.start, t.last, t.closed) for t in found] == [(10, 13, True), (14, 23, True)]
    assert found[0].look <= found[0].last


def test_lines_close_under_one_another_are_one_track_and_lines_apart_are_two():
    _, close = track([[]] * 10 + [[(20, 100, "A long first line"), (20, 128, "second")]] * 15 + [[]] * 10)
    _, apart = track([[]] * 10 + [[(20, 80, "A long first line"), (20, 140, "second")]] * 15 + [[]] * 10)
    assert (len(close), len(apart)) == (1, 2)


def test_parts_of_one_text_that_come_up_apart_are_one_track():
    left, right, middle = (20, 140, "Up"), (220, 140, "last"), (60, 140, "comes the middle")
    other = (20, 20, "Somewhere else")
    frames = [[]] * 10 + [[left, right, other]] * 2 + [[left, middle, right, other]] * 15 + [[]] * 10
    _, found = track(frames)
    assert len(found) == 2
    assert [t.start for t in found] == [10, 10]


def test_a_moving_picture_alone_gives_no_track():
    tracker, _ = track([[]] * 60)
    assert tracker.tracks == []


def test_a_moving_text_is_no_track():
    tracker, _ = track([[(10 + 9 * n, 140, "Rolling")] for n in range(25)])
    assert tracker.tracks == []


def test_two_texts_at_once_are_two_lanes_top_to_bottom():
    _, found = track([[]] * 10 + [[LOW, HIGH]] * 15 + [[]] * 10)
    assert [(t.start, t.lane) for t in found] == [(10, 0), (10, 1)]
    assert found[0].box()[1] < found[1].box()[1]


def test_a_text_that_comes_beside_another_leaves_it_alone():
    _, found = track([[]] * 10 + [[LOW]] * 10 + [[LOW, HIGH]] * 10 + [[LOW]] * 10 + [[]] * 10)
    assert [(t.start, t.last) for t in found] == [(10, 39), (20, 29)]


def test_a_flicker_does_not_end_a_text():
    _, found = track([[]] * 10 + [[LOW]] * 10 + [[]] * (GAP - 2) + [[LOW]] * 10 + [[]] * 10)
    assert [(t.start, t.last) for t in found] == [(10, 10 + 20 + GAP - 2 - 1)]


def test_a_text_that_comes_back_after_a_pause_is_another_telop():
    _, found = track([[]] * 10 + [[LOW]] * 10 + [[]] * (2 * GAP) + [[LOW]] * 10 + [[]] * 10)
    assert [(t.start, t.last) for t in found] == [(10, 19), (30, 39)]


def test_one_changed_word_ends_the_old_text_and_begins_a_new_one_with_the_whole_line():
    before, after = (20, 140, "It opens May 14"), (20, 140, "It opens May 28")
    _, found = track([[]] * 10 + [[before]] * 12 + [[after]] * 12 + [[]] * 10)
    assert [t.start for t in found] == [10, 22]
    assert found[0].last == 21
    assert found[1].box()[2] == pytest.approx(found[0].box()[2], abs=16)


def test_a_start_does_not_depend_on_what_lies_further_back_than_the_memory():
    story = [[HIGH]] * 30 + [[]] * 4 + [[LOW]] * 25 + [[]] * 8
    _, whole = track(story)
    start = whole[-1].start
    _, late = track(story[start - MEMORY :], first=start - MEMORY)
    assert [(t.start, t.last, t.box(), t.look) for t in late if t.start == start] == [
        (t.start, t.last, t.box(), t.look) for t in whole if t.start == start
    ]


def test_a_start_is_undecided_until_it_is_closed():
    tracker = Tracker()
    for index in range(40):
        tracker.push(index, luma(index, *([LOW] if 10 <= index < 25 else [])))
        if index in {12, 20, 28, 35}:
            assert tracker.undecided(0, 20) == (index < 30), index
    assert not tracker.undecided(20, 40)


def test_words_of_one_line_belong_together_and_specks_to_nothing():
    cells = np.zeros((10, 40), dtype=np.bool_)
    cells[2:4, 2:8] = cells[2:4, 11:20] = True
    cells[8, 30] = True
    assert [np.count_nonzero(region) for region in components(cells)] == [30]


def test_a_region_is_widened_along_its_rows_only():
    active = np.zeros((10, 40), dtype=np.bool_)
    active[2:4, 2:20] = active[4:6, 2:20] = active[2:4, 35:39] = True
    core = np.zeros_like(active)
    core[2:4, 10:14] = True
    widened = along_rows(core, active)
    assert widened[2:4, 2:20].all()
    assert np.count_nonzero(widened) == 36


def test_of_more_texts_than_lanes_the_largest_are_kept():
    _, found = track([[]] * 8)
    assert in_lanes(found) == []
    words = [(4 + 108 * (n % 3), 2 + 48 * (n // 3), "two") for n in range(10)]
    _, found = track([[]] * 10 + [words] * 12 + [[]] * 8)
    assert sorted(t.lane for t in found if t.start == 10) == list(range(8))
