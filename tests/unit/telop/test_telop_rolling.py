from itertools import zip_longest

import pytest

pytest.importorskip("cv2")
np = pytest.importorskip("numpy")
pytest.importorskip("PIL")

from PIL import Image, ImageDraw, ImageFont  # noqa: E402

from jubako_apps.telop.detect import Tracker  # noqa: E402
from jubako_apps.telop.ocr import Line  # noqa: E402
from jubako_apps.telop.rolling import Roll, RollWatch  # noqa: E402

HEIGHT, WIDTH, SPEED = 184, 320, 9
NAMES = ("Camera John Smith", "Sound Mary Jones")


def sample(index, names, *, speed=SPEED, across=0):
    """A texture that has moved on, and lines 60 rows apart that have rolled up since sample 5."""
    grain = np.random.default_rng(index).integers(90, 120, (HEIGHT // 8, WIDTH // 8), dtype=np.uint8)
    image = Image.fromarray(np.kron(grain, np.ones((8, 8), np.uint8)))
    draw = ImageDraw.Draw(image)
    places = []
    for number, name in enumerate(names):
        y = HEIGHT + 60 * number - speed * (index - 5)
        font = ImageFont.load_default(size=22)
        draw.text((30 + across * index, y), name, 255, font=font, stroke_width=2, stroke_fill=0)
        x0, y0, x1, y1 = draw.textbbox((30, y), name, font=font, stroke_width=2)
        places.append(Line(text=name, confidence=0.9, box=(x0, y0, x1 - x0, y1 - y0)))
    return np.asarray(image), places


def watched(samples):
    """Return the watch after all samples, and at which of them it wanted to read."""
    tracker, watch, reads = Tracker(), RollWatch(), []
    for index, (luma, places) in enumerate(samples):
        tracker.push(index, luma)
        if watch.push(index, tracker.moving):
            reads.append(index)
            watch.take(
                [line for line in places if line.box[1] + line.box[3] > 0 and line.box[1] < HEIGHT], 1.0
            )
    watch.finish()
    return watch, reads


def test_lines_that_roll_are_read_while_they_are_whole_and_told_once():
    watch, reads = watched([sample(index, NAMES) for index in range(40)])
    [roll] = watch.rolls
    telops = roll.telops(HEIGHT)
    assert [telop.text for telop in telops] == list(NAMES)
    assert 2 <= len(reads) <= 4


def test_a_line_starts_at_the_lower_edge_and_ends_at_the_upper_one():
    watch, _ = watched([sample(index, NAMES) for index in range(40)])
    first, second = watch.rolls[0].telops(HEIGHT)
    assert abs(first.start - 5) <= 2
    assert abs(second.start - first.start - 60 / SPEED) <= 1
    assert abs(first.end - first.start - HEIGHT / SPEED) <= 5


@pytest.mark.parametrize("still", [{"speed": 0}, {"speed": 0, "across": 7}, {"across": 5}])
def test_what_stands_or_moves_another_way_does_not_roll(still):
    watch, reads = watched([sample(index, NAMES, **still) for index in range(30)])
    assert watch.rolls == []
    assert reads == []


def test_a_picture_that_moves_alone_does_not_roll():
    watch, _ = watched([sample(index, ()) for index in range(30)])
    assert watch.rolls == []


def dense(index, *, across=0):
    """Signs with edges nearly everywhere, as kanji have them, 9 rows higher with each sample."""
    signs = np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.3
    moved = np.roll(np.kron(signs, np.ones((2, 1), dtype=np.bool_)), (-SPEED * index, across * index), (0, 1))
    worn = np.random.default_rng(index).random(moved.shape) < 0.7
    return (moved & worn)[:HEIGHT]


@pytest.mark.parametrize(("across", "rolls"), [(0, 1), (4, 0)])
def test_signs_that_overlap_with_others_at_any_shift_roll_if_most_of_them_fit(across, rolls):
    watch = RollWatch()
    for index in range(12):
        watch.push(index, dense(index, across=across))
    watch.finish()
    assert len(watch.rolls) == rolls


def rolled(*places, lefts=()):
    """The texts of a roll whose lines, 20 rows high, stand at these places, with these left edges (else at 10)."""
    roll = Roll(first=0, last=40, speed=9.0, far=360.0)
    watch = RollWatch()
    watch.roll = roll
    watch.push(0, np.ones((HEIGHT, WIDTH), dtype=np.bool_))
    watch.push(1, np.ones((HEIGHT, WIDTH), dtype=np.bool_))
    roll.far = 0.0
    for number, (place, left) in enumerate(zip_longest(places, lefts, fillvalue=10.0)):
        roll.far = place - 50.0
        watch.take([Line(text=f"line {number}", confidence=0.9, box=(left, 40.0, 80.0, 20.0))], 1.0)
    return [telop.text for telop in roll.telops(HEIGHT)]


def test_lines_closer_than_others_are_one_telop():
    assert rolled(100, 124, 180, 204, 260) == ["line 0 line 1", "line 2 line 3", "line 4"]


def test_lines_all_equally_far_apart_are_telops_of_their_own():
    assert rolled(100, 124, 148) == ["line 0", "line 1", "line 2"]


def test_a_line_that_begins_elsewhere_is_another_telop_however_near_it_is():
    assert rolled(100, 124, 146, 230, lefts=(10, 10, 150, 150)) == ["line 0 line 1", "line 2", "line 3"]
