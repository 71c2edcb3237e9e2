"""High dynamic range made readable: pictures coded for a thousand nits and more, as an ordinary screen would show them.

Only the perceptual quantiser needs it (HDR10, Dolby Vision): shown as it is, white letters are grey on grey. Hybrid
log-gamma is made to look right without. The curve is that of SMPTE ST 2084; white is 203 nits, the reference white of
Rec. ITU-R BT.2408, and what is brighter is white too.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

PQ: Final = 16
"""``AVCOL_TRC_SMPTE2084`` of FFmpeg's pixfmt.h, the code point of ITU-T H.273."""

_WHITE_NITS: Final = 203.0
_PEAK_NITS: Final = 10_000.0
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_GAMMA: Final = 2.2

Bytes = NDArray[np.uint8]


def nits(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the brightness of PQ codes, 0 to 1, in candela per square metre."""
    root = np.power(code, 1 / _M2)
    linear: NDArray[np.float64] = np.power(np.maximum(root - _C1, 0) / (_C2 - _C3 * root), 1 / _M1)
    return linear * _PEAK_NITS


def _table() -> Bytes:
    bright = np.minimum(nits(np.arange(256) / 255) / _WHITE_NITS, 1.0)
    return np.round(255 * np.power(bright, 1 / _GAMMA)).astype(np.uint8)


_TABLE: Final = _table()


def shown(picture: Bytes, transfer: int) -> Bytes:
    """Return the picture as an ordinary screen shows it; ``transfer`` is the video's transfer characteristic."""
    if transfer != PQ:
        return picture
    seen: Bytes = _TABLE[picture]
    return seen
