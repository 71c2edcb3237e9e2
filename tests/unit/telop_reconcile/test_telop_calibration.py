from itertools import pairwise

import pytest

from jubako_apps.telop.calibration import probability, table


@pytest.mark.parametrize("source", ["script", "asr", "none"])
def test_a_higher_score_is_always_a_higher_probability(source):
    values = [probability(n / 100, source) for n in range(101)]
    assert all(a < b for a, b in pairwise(values))


@pytest.mark.parametrize("source", ["script", "asr"])
def test_the_table_is_met_at_its_points_and_nothing_leaves_zero_to_one(source):
    assert [probability(score, source) for score, _ in table(source)] == [share for _, share in table(source)]
    assert (probability(-0.1, source) <= 0.0, probability(1.2, source)) == (True, 1.0)


def test_what_a_recogniser_heard_is_trusted_less_than_a_script():
    assert probability(0.7, "asr") < probability(0.95, "script")
