"""JSON text of strangers: exact, refused by name, and never slow."""

import time

import msgspec
import pytest

from jubako.core.json_text import decode


@pytest.mark.parametrize(
    "text", ["1e300", "-1.7976931348623157e308", "5e-324", "1E22", "0.1", "123456789.123456789e-9"]
)
def test_numbers_are_exact(text: str) -> None:
    assert decode(text) == float(text)


@pytest.mark.parametrize(
    "text", ["1e309", "-1e999", "1" * 5_000, "NaN", "Infinity", '"\\ud800"', "[" * 100 + "]"]
)
def test_what_json_cannot_say_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(text)


def test_whole_numbers_stay_whole() -> None:
    assert decode("[1, -9223372036854775808, 18446744073709551615]") == [1, -(2**63), 2**64 - 1]


def test_a_mebibyte_of_numbers_far_from_one_takes_moments() -> None:
    text = "[" + "1e300," * 170_000 + "1]"
    start = time.process_time()
    assert len(decode(text)) == 170_001
    assert time.process_time() - start < 3  # with msgspec's own conversion a quarter of a minute
