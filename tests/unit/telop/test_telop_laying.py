"""A plain script over the sound: lines end in pauses, whatever the pace."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numpy")

from jubako_apps.telop.laying import laid

SIZES = [30, 55, 40, 22, 61, 35, 48, 27, 50, 44]


def spoken(paces, pause=0.7, inner=0.3, lead=0.0):
    """Return what is heard of lines spoken at these seconds per sign, each with a short pause inside, and its truth."""
    now, heard, truth = lead, [], []
    for size, pace in zip(SIZES, paces, strict=True):
        length = size * pace
        heard += [(now, now + 0.4 * length), (now + 0.4 * length + inner, now + length + inner)]
        truth.append((now, now + length + inner))
        now += length + inner + pause
    return heard, truth


def worst(found, truth):
    return max(
        abs(a - b) for one, other in zip(found, truth, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    "paces",
    [[0.07] * 10, [0.05, 0.1] * 5, [0.05] * 5 + [0.09] * 5, [0.11, 0.06, 0.09, 0.05, 0.07] * 2],
    ids=["even", "alternating", "slower and slower", "all sorts"],
)
@pytest.mark.parametrize("lead", [0.0, 3.0])
def test_each_line_is_when_it_is_said_however_uneven_the_pace_and_however_late_it_begins(paces, lead):
    heard, truth = spoken(paces, lead=lead)
    assert worst(laid(SIZES, heard), truth) < 0.05


@pytest.mark.parametrize("pause", [0.45, 0.6, 1.5])
def test_pauses_are_measured_by_one_another(pause):
    heard, truth = spoken([0.07] * 10, pause=pause, inner=0.3)
    assert worst(laid(SIZES, heard), truth) < 0.05


def test_lines_are_found_by_their_pace_where_all_pauses_are_alike_and_it_changes_nearly_twofold():
    heard, truth = [], []
    now = 1.0
    for size, pace in zip(SIZES * 3, [0.056] * 15 + [0.105] * 15, strict=True):
        length, begin = size * pace, now
        # Long lines have one pause inside, as long as those between lines.
        for part in (0.35, 0.65) if size > 40 else (1.0,):
            heard.append((round(now, 3), round(now + part * length, 3)))
            now += part * length + 0.5
        truth.append((begin, now - 0.5))
    assert worst(laid(SIZES * 3, heard), truth) < 0.05


def test_speech_without_any_pause_is_shared_by_length():
    found = laid([10, 30, 20], [(2.0, 62.0)])
    assert [round(start) for start, _ in found] == [2, 12, 42]
    assert found[-1][1] == 62.0


def test_as_many_lines_as_a_programme_has_are_laid_one_by_one():
    heard = [(n * 4.5, n * 4.5 + 3.9) for n in range(500)]
    found = laid([40] * 500, heard)
    assert worst(found, heard) < 1e-6


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=40),
    st.lists(st.tuples(st.floats(0.1, 30), st.floats(0.31, 20)), min_size=1, max_size=30),
)
def test_whatever_is_laid_over_whatever_lines_keep_their_order_and_lie_inside_the_speech(sizes, stretches):
    now, heard = 0.0, []
    for length, pause in stretches:
        heard.append((round(now, 3), round(now + length, 3)))
        now += length + pause
    found = laid(sizes, heard)
    assert len(found) == len(sizes)
    assert found[0][0] >= heard[0][0]
    assert found[-1][1] <= heard[-1][1]
    assert all(start <= end for start, end in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))


def test_very_many_very_short_lines_do_not_stop_the_rest():
    found = laid([1] * 300 + [90] * 30, [(0.0, 700.0)])
    assert len(found) == 330
    assert all(start <= end for start, end in found)
