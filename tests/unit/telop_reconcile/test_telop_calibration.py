from itertools import pairwise

from jubako_apps.telop.calibration import TABLE, probability


def test_a_higher_score_is_always_a_higher_probability():
    values = [probability(n / 100) for n in range(101)]
    assert all(a < b for a, b in pairwise(values))


def test_the_table_is_met_at_its_points_and_nothing_leaves_zero_to_one():
    assert [probability(score) for score, _ in TABLE] == [share for _, share in TABLE]
    assert (probability(-0.1) <= 0.0, probability(1.2)) == (True, 1.0)
