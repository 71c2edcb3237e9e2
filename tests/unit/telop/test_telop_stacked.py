from dataclasses import replace

import pytest

from jubako_apps.telop.stacked import whole
from jubako_apps.telop.telops import Telop

ABOVE = Telop(
    id=1, segment=0, lane=0, start=2.0, end=4.0, open_end=False, text="自動車大手三社は", confidence=0.9,
    box=(0.1, 0.5, 0.6, 0.1),
)  # fmt: skip
BELOW = replace(ABOVE, id=2, lane=1, text="協議します", confidence=0.8, box=(0.1, 0.64, 0.3, 0.1))


def test_a_line_right_below_that_comes_and_goes_with_it_belongs_to_the_telop():
    [found] = whole([BELOW, ABOVE], 16 / 9)
    assert found == replace(
        ABOVE, text="自動車大手三社は 協議します", confidence=found.confidence, box=(0.1, 0.5, 0.6, 0.24)
    )
    assert found.confidence == pytest.approx((8 * 0.9 + 5 * 0.8) / 13, abs=1e-4)


def test_a_line_whose_middle_is_below_the_first_ones_middle_belongs_to_it_too():
    centred = replace(BELOW, box=(0.25, 0.64, 0.3, 0.1))
    assert len(whole([ABOVE, centred], 16 / 9)) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(BELOW, box=(0.1, 0.75, 0.3, 0.1)),
        replace(BELOW, box=(0.6, 0.64, 0.3, 0.1)),
        replace(BELOW, start=2.2),
        replace(BELOW, end=5.0),
    ],
    ids=["further down", "elsewhere", "later", "longer"],
)
def test_what_stands_apart_or_at_another_time_is_a_telop_of_its_own(other):
    assert whole([ABOVE, other], 16 / 9) == [ABOVE, other]
