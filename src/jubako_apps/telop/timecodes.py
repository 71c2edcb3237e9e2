"""Time codes that any player and editing system shows: HH:MM:SS:FF, frames dropped where that is usual.

At 29.97 and 59.94 frames a second two (four) frame *numbers* are left out at the start of each minute but every tenth,
so that the code keeps up with the clock; such codes are written with a semicolon (SMPTE ST 12-1).
"""

from typing import Final

_NTSC: Final = 1000 / 1001
_MINUTES: Final = 10
_USUAL: Final = 25.0


def base(fps: float) -> int:
    """Return how many frame numbers a second has."""
    return max(1, round(fps if fps > 0 else _USUAL))


def is_drop(fps: float) -> bool:
    """Say whether frame numbers are dropped at this rate."""
    return base(fps) % 30 == 0 and abs(fps - base(fps) * _NTSC) < 0.005


def smpte(seconds: float, fps: float) -> str:
    """Return the time code of the frame that is on screen at ``seconds`` from the start, counted from zero."""
    rate, numbers = fps if fps > 0 else _USUAL, base(fps)
    # Times of telops are rounded to milliseconds: a frame's own start must not fall into the one before.
    frame = int(max(0.0, seconds) * rate + 0.5 * rate / 1000 + 1e-6)
    if is_drop(fps):
        frame = _with_dropped(frame, numbers)
    rest, sign = frame // numbers, ";" if is_drop(fps) else ":"
    return f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}{sign}{frame % numbers:02}"


def _with_dropped(frame: int, numbers: int) -> int:
    """Return the number of a frame that is counted without gaps."""
    dropped = numbers // 15
    minute = numbers * 60 - dropped
    tens, rest = divmod(frame, minute * _MINUTES + dropped)
    # The first minute of ten keeps all its numbers.
    minutes = 0 if rest < numbers * 60 else 1 + (rest - numbers * 60) // minute
    return frame + dropped * ((_MINUTES - 1) * tens + minutes)
