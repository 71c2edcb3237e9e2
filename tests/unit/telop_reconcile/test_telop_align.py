from hypothesis import given
from hypothesis import strategies as st

from jubako_apps.telop.reconcile.align import align

SIGNS = st.text(alphabet="abcd", max_size=12)


def plain(telop: str, speech: str) -> list[tuple[int | None, int | None]]:
    return align(telop, speech, lambda a, b: 0.0 if a == b else 1.5, lambda _: 1.0, lambda _: 1.0)


@given(SIGNS, SIGNS)
def test_every_sign_of_the_telop_comes_once_and_in_order(telop, speech):
    pairs = plain(telop, speech)
    assert [t for t, _ in pairs if t is not None] == list(range(len(telop)))
    places = [s for _, s in pairs if s is not None]
    assert places == list(range(places[0], places[0] + len(places))) if places else True


@given(SIGNS, SIGNS, SIGNS)
def test_a_telop_that_was_said_is_found_whole(before, telop, behind):
    pairs = plain(telop, before + telop + behind)
    assert all(t is not None and s is not None for t, s in pairs)
    assert "".join((before + telop + behind)[s] for _, s in pairs if s is not None) == telop


def test_of_two_equal_stretches_the_early_one_is_taken():
    assert plain("ab", "ab-ab") == [(0, 0), (1, 1)]
