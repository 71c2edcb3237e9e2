import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("cv2")

from jubako_apps.telop.fields import combed, woven_apart  # noqa: E402

HEIGHT, WIDTH = 64, 96


def square(left):
    """Return a picture with a bright square, its left edge at ``left``."""
    picture = np.full((HEIGHT, WIDTH, 3), 40, dtype=np.uint8)
    picture[20:44, left : left + 24] = 220
    return picture


def woven(upper, lower):
    picture = upper.copy()
    picture[1::2] = lower[1::2]
    return picture


def test_what_moved_between_the_fields_is_shown_where_the_upper_field_has_it():
    mended = woven_apart(woven(square(20), square(36)), marked=True)
    assert not combed(mended[:, :, 0]).any()
    assert (mended[24:40] == square(20)[24:40]).all()


def test_what_stands_still_keeps_the_lines_of_both_fields():
    still = square(4)
    still[50] = 255  # a line of a single row: only one field has it
    picture = woven(np.maximum(square(60), still), np.maximum(square(70), still))
    mended = woven_apart(picture, marked=True)
    assert (mended[:, :48] == still[:, :48]).all()
    assert not combed(mended[:, :, 0]).any()


def test_an_unmarked_picture_is_mended_if_it_is_combed_all_over():
    picture = woven(square(20), square(36))
    assert not combed(woven_apart(picture, marked=False)[:, :, 0]).any()


@pytest.mark.parametrize("marked", [True, False])
def test_a_whole_picture_is_left_as_it_is(marked):
    picture = square(20)
    assert woven_apart(picture, marked=marked) is picture


def test_a_speck_of_a_comb_does_not_make_an_unmarked_picture_interlaced():
    picture = np.full((400, 400, 3), 40, dtype=np.uint8)
    picture[101:108:2, 5:8] = 220
    assert woven_apart(picture, marked=False) is picture


def test_a_picture_of_a_few_lines_has_no_fields():
    picture = np.zeros((4, 16, 3), dtype=np.uint8)
    assert woven_apart(picture, marked=True) is picture
