from dataclasses import replace
from typing import Any

import pytest

from jubako_apps.telop.merge import merge, overlap
from jubako_apps.telop.telops import (
    LANES,
    TAILS,
    Box,
    Telop,
    Transcript,
    Utterance,
    Word,
    telop_from_json,
    telop_id,
    telop_to_json,
    transcript_from_json,
    transcript_to_json,
)

HERE = (0.1, 0.8, 0.5, 0.1)


def telop(start: float, end: float, text: str = "Words", **changes: Any) -> Telop:
    segment = changes.pop("segment", 0)
    made = Telop(
        id=telop_id(segment, round((start - 10 * segment) * 5), changes.pop("lane", 0)),
        segment=segment,
        lane=0,
        start=start,
        end=end,
        open_end=False,
        text=text,
        confidence=0.9,
        box=HERE,
    )
    return replace(made, **changes)


def tail(segment: int, start: float, end: float, *, open_end: bool, box: Box = HERE) -> Telop:
    return Telop(
        id=segment * 100_000 + TAILS,
        segment=segment,
        lane=0,
        start=start,
        end=end,
        open_end=open_end,
        open_start=True,
        text="",
        confidence=0.0,
        box=box,
    )


def test_shards_in_any_order_and_twice_give_the_same_telops():
    one = [telop(1.0, 3.0), telop(4.0, 6.0, "More")]
    two = [telop(12.0, 14.0, "Other", segment=1)]
    assert merge([two, one, two]) == merge([one, two]) == [*one, *two]


def test_an_open_telop_goes_on_through_the_tails_of_later_segments():
    shards = [
        [telop(5.0, 22.0, open_end=True)],
        [tail(1, 6.0, 32.0, open_end=True)],
        [tail(2, 16.0, 37.4, open_end=False)],
    ]
    (merged,) = merge(shards)
    assert (merged.start, merged.end, merged.open_end) == (5.0, 37.4, False)


def test_a_tail_that_ends_where_the_telop_was_last_seen_closes_it():
    shards = [[telop(5.0, 21.6, open_end=True)], [tail(1, 6.0, 21.6, open_end=False)]]
    assert [(t.end, t.open_end) for t in merge(shards)] == [(21.6, False)]


def test_without_its_next_segment_an_open_telop_stays_open():
    assert merge([[telop(5.0, 22.0, open_end=True)]])[0].open_end


def test_a_tail_somewhere_else_closes_nothing():
    elsewhere = tail(1, 6.0, 30.0, open_end=False, box=(0.1, 0.1, 0.2, 0.1))
    assert [(t.end, t.open_end) for t in merge([[telop(5.0, 22.0, open_end=True)], [elsewhere]])] == [
        (22.0, True)
    ]


def test_the_same_words_in_the_same_place_right_after_are_one_telop():
    first, second = telop(1.0, 3.0, "To be"), telop(3.2, 6.0, "Tobe", confidence=0.5)
    assert merge([[first, second]]) == [replace(first, end=6.0)]


@pytest.mark.parametrize(
    "changes",
    [{"text": "Other"}, {"box": (0.1, 0.1, 0.5, 0.1)}, {"start": 4.2}],
    ids=["words", "place", "much later"],
)
def test_other_words_another_place_or_a_pause_make_another_telop(changes):
    assert len(merge([[telop(1.0, 3.0), replace(telop(3.2, 6.0), **changes)]])) == 2


def test_the_same_words_at_the_same_time_are_one_telop_though_other_edges_of_them_were_found():
    whole = telop(59.4, 61.6, "population halved", box=(0.048, 0.85, 0.539, 0.0625))
    again = replace(whole, id=7, start=60.0, box=(0.048, 0.8271, 0.539, 0.0563))
    assert merge([[whole, again]]) == [whole]
    later = replace(again, start=61.7, end=63.0)
    assert len(merge([[whole, later]])) == 2


def test_overlap_is_the_shared_part_of_both_boxes():
    assert overlap(HERE, HERE) == pytest.approx(1.0)
    assert overlap((0, 0, 0.2, 0.1), (0.1, 0, 0.2, 0.1)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 0.1, 0.1), (0.5, 0.5, 0.1, 0.1)) == 0.0


def test_an_id_leaves_no_room_for_two_meanings():
    assert telop_id(3, 7, 2) == 3 * 100_000 + 7 * LANES + 2
    with pytest.raises(ValueError, match="does not fit"):
        telop_id(0, TAILS // LANES, 0)
    with pytest.raises(ValueError, match="does not fit"):
        telop_id(0, 0, LANES)
    with pytest.raises(ValueError, match="does not fit"):
        telop_id(0, -1, 0)


def test_telops_and_transcripts_survive_json():
    one = telop(1.0, 3.0, open_end=True)
    assert telop_from_json(telop_to_json(one)) == one
    word = Word(start=0.1, end=0.4, text="hello", confidence=0.5)
    said = Utterance(id=0, start=0.1, end=0.4, text="hello", words=(word,))
    transcript = Transcript(source="asr", language="en", utterances=(said,))
    assert transcript_from_json(transcript_to_json(transcript)) == transcript


def test_a_shorter_telop_in_the_same_place_is_one_of_its_own():
    shorter = telop(3.2, 5.0, "still searching", box=(0.2, 0.8, 0.3, 0.1))
    assert len(merge([[telop(1.0, 3.0, "Rescue teams still searching"), shorter]])) == 2


def test_a_piece_that_came_up_inside_a_telop_is_no_telop_of_its_own():
    whole = telop(11.0, 13.0, "denies knowledge of payments")
    piece = telop(11.2, 13.4, "denies knowledge of", box=(0.1, 0.8, 0.35, 0.1))
    assert merge([[whole, piece]]) == [replace(whole, end=13.4)]


def test_a_line_that_is_left_of_several_is_a_piece_however_short_it_is():
    whole = telop(1.0, 3.0, "Rescue teams are searching for a climber", box=(0.1, 0.8, 0.5, 0.12))
    line = telop(3.0, 3.8, "a climber", box=(0.1, 0.86, 0.5, 0.06))
    assert merge([[whole, line]]) == [replace(whole, end=3.8)]


def test_the_first_line_of_two_is_a_piece_though_the_second_one_is_shorter():
    whole = telop(35.0, 36.2, "The evidence had been obtained", box=(0.06, 0.073, 0.79, 0.102))
    line = telop(36.2, 37.2, "The evidence had", box=(0.06, 0.067, 0.8, 0.05))
    assert merge([[whole, line]]) == [replace(whole, end=37.2)]
    assert len(merge([[whole, replace(line, text="been obtained")]])) == 2


def test_what_differs_in_a_sign_is_another_telop():
    whole = telop(11.0, 13.0, "Gas prices likely to rise by 8 percent")
    other = telop(12.2, 13.4, "Gas prices likely to rise by 3", box=(0.1, 0.8, 0.35, 0.1))
    assert merge([[whole, other]]) == [whole, other]


@pytest.mark.parametrize(
    "other",
    [
        telop(11.2, 13.0, "payments", box=(0.1, 0.2, 0.2, 0.1)),
        telop(13.2, 15.0, "payments"),
        telop(20.0, 22.0, "denies knowledge of"),
    ],
    ids=["elsewhere", "a word of it, afterwards", "much later"],
)
def test_the_same_words_at_another_place_or_time_are_a_telop(other):
    whole = telop(11.0, 13.0, "denies knowledge of payments")
    assert merge([[whole, other]]) == [whole, other]
