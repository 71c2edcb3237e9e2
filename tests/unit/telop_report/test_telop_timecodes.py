from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako_apps.telop.timecodes import is_drop, smpte

NTSC = 30000 / 1001


@pytest.mark.parametrize(
    ("seconds", "fps", "code"),
    [
        (0, 25.0, "00:00:00:00"),
        (61.2, 25.0, "00:01:01:05"),
        (3600, 25.0, "01:00:00:00"),
        (59.999, 30.0, "00:00:59:29"),
        (1800 / NTSC, NTSC, "00:01:00;02"),
        (1799 / NTSC, NTSC, "00:00:59;29"),
        (17982 / NTSC, NTSC, "00:10:00;00"),
        (107892 / NTSC, NTSC, "01:00:00;00"),
        (3600, NTSC, "01:00:00;00"),
        (60.06, 60000 / 1001, "00:01:00;04"),
        (10, 24000 / 1001, "00:00:09:23"),
        (1.0, 0.0, "00:00:01:00"),
        (-1.0, 25.0, "00:00:00:00"),
    ],
)
def test_time_codes_are_those_of_an_editing_system(seconds, fps, code):
    assert smpte(seconds, fps) == code


def test_frames_are_dropped_at_the_rates_of_ntsc_only():
    assert [is_drop(fps) for fps in (NTSC, 2 * NTSC, 29.97, 30.0, 25.0, 24000 / 1001, 0.0)] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip


@given(st.integers(0, 24 * 107_892))
def test_each_frame_has_a_code_of_its_own_and_no_dropped_number_is_used(frame):
    code = smpte(float(round(Fraction(frame * 1001, 30_000), 3)), NTSC)
    hours, minutes, seconds, number = (int(part) for part in code.replace(";", ":").split(":"))
    assert not (seconds == 0 and number < 2 and minutes % 10)
    counted = ((hours * 60 + minutes) * 60 + seconds) * 30 + number
    passed = hours * 60 + minutes
    assert counted - 2 * (passed - passed // 10) == frame
