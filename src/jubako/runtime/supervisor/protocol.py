r"""What server and supervisor say to each other over the unix socket, and the lines of the journal.

Both sides send JSON lines. The first line of the client is ``{"op": "hello", "version": 1}``; the answer tells what the
supervisor can do. Every further line of the client is ``{"op": NAME, "n": SEQUENCE, ...}`` and is answered by
``{"re": SEQUENCE}``, with ``error`` if it could not be done; ``ack`` alone has no answer.

====================  =====================================================================================
``follow``            ``position`` ("" = from the beginning); answered with ``begin``, where the frames
                      begin, and ``end``, where the journal ends at present
``submit``            ``specs``: objects with the keys of ``SPEC_KEYS``
``cancel``            ``ids``
``reconcile``         ``started``: ids; those unknown are journalled as lost
``ack``               ``position``: everything before it has taken effect and need not be kept
``stop``              ``end_attempts``: true ends every attempt first, then the supervisor leaves; false: it leaves
                      if idle. Answered with ``within``, the longest grace in seconds
====================  =====================================================================================

A follower gets frames: a line ``{"journal": GENERATION, "offset": OFFSET, "bytes": N}`` and then N raw bytes of the
journal, always whole lines. At most ``WINDOW_BYTES`` are sent beyond the last ack, so a slow follower costs no memory.

A position is ``GENERATION:OFFSET``; generations sort by name. The lines of a journal (times in microseconds since the
epoch, ``b`` in microseconds since boot):

- ``{"k": "head", "version": 1, "generation": G, "boot": ID}`` first line;
- ``{"k": "try", "id": ID, "b": B}`` about to be started: whatever happens next, it is never started again;
- ``{"k": "start", "id": ID, "t": T, "pid": P, "b": B}``;
- ``{"k": "end", "id": ID, "t": T, "r": REASON, "c": EXIT_CODE, "s": SIGNAL, "d": DETAIL}``, the last three if they
  apply;
- ``{"k": "live", "id": ID, "pid": P, "b": [B, B]}`` carried over from the generation before, no event.
"""

import json
from collections.abc import Mapping
from typing import Any

VERSION = 1
LINE_BYTES_MAX = 64 << 20
"""A longer line is no line of ours: the connection is dropped."""
WINDOW_BYTES = 1 << 20
FRAME_BYTES = 128 << 10
SPEC_KEYS = (
    "id",
    "group",
    "parallelism",
    "argv",
    "env",
    "cwd",
    "timeout",
    "grace",
    "output",
    "memory_bytes",
    "cpus",
    "pids_max",
    "preload",
    "mounts",
)
"""Of one submitted attempt; ``timeout`` (or null) and ``grace`` in seconds; the limits may be null."""

ENV_ATTEMPT = "JUBAKO_ATTEMPT"
"""Carries the attempt id in the environment of each process of an attempt."""
ENV_SUPERVISOR = "JUBAKO_SUPERVISOR"
"""Carries the mark of the state directory, by which a successor finds what its predecessor left."""


def encode(message: Mapping[str, Any]) -> bytes:
    """Return ``message`` as one line; lone surrogates (bytes that are no UTF-8) survive as escapes."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def parse_position(position: str) -> tuple[str, int]:
    """Return generation and offset; ("", 0) for a position that is none of ours, which means the beginning."""
    generation, _, offset = position.rpartition(":")
    if not generation or not offset.isdigit():
        return "", 0
    return generation, int(offset)
