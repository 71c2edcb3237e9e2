from typing import Any, cast

from jubako.store.readings import Query
from jubako.wire.answers import ANSWER_BYTES_MAX, ANSWERS_MAX, BYTES_MAX, Answer, Answers
from jubako.wire.google_types import GetOperationRequest, Operation
from jubako.wire.method import Method, Read

METHOD = Method(
    name="a.B.GetC", http=(), request=GetOperationRequest, response=Operation, permission="b.c.get"
)


def answer(body: bytes, row: str = "") -> Answer:
    nowhere: Any = None
    return Answer(
        method=METHOD,
        resource="",
        body=body,
        read=Read(nowhere, cast("Any", None)),
        queries=[Query("SELECT", (), [(row, 1)])],
        outside=None,
    )


def test_the_last_answer_is_kept_until_it_is_dropped() -> None:
    answers = Answers()
    answers.keep("a", answer(b"1"))
    answers.keep("a", answer(b"2"))
    found = answers.find("a")
    assert found is not None
    assert found.body == b"2"
    answers.drop("a")
    answers.drop("a")
    assert answers.find("a") is None


def test_no_more_answers_are_kept_than_so_many_and_the_oldest_goes_first() -> None:
    answers = Answers()
    for number in range(ANSWERS_MAX + 1):
        answers.keep(number, answer(b""))
    assert answers.find(0) is None
    assert all(answers.find(number) for number in range(1, ANSWERS_MAX + 1))


def test_answers_and_their_rows_are_no_larger_than_so_many_bytes_together() -> None:
    answers = Answers()
    size = ANSWER_BYTES_MAX // 2
    for number in range(4 * BYTES_MAX // size):
        answers.keep(number, answer(b"x" * (size // 2), "x" * (size // 2 - 8)))
    kept = [number for number in range(4 * BYTES_MAX // size) if answers.find(number)]
    assert len(kept) * size == BYTES_MAX


def test_a_large_answer_is_not_kept_and_nor_is_the_one_before_it() -> None:
    answers = Answers()
    answers.keep("a", answer(b"1"))
    answers.keep("a", answer(b"x", "x" * ANSWER_BYTES_MAX))
    assert answers.find("a") is None
