"""A last word before a task is ended: at its time-out, when it is cancelled, when the server is stopped.

The task's processes get SIGTERM, and SIGKILL ten seconds later. Source: Cloud Run, "Container runtime contract".
"""

import os
import signal
from collections.abc import Callable
from types import FrameType

_actions: list[Callable[[], object]] = []


def on_stop(action: Callable[[], object]) -> None:
    """Have ``action`` called when this process is told to end; the last one given is called first.

    Afterwards the process ends by SIGTERM, as it would have without it. An action that raises does not keep the others
    from being called. To be called in the main thread; it takes the place of another handler of SIGTERM.
    """
    if not _actions:
        signal.signal(signal.SIGTERM, _stop)
    _actions.append(action)


def _stop(number: int, frame: FrameType | None) -> None:
    try:
        while _actions:
            _actions.pop()()
    finally:
        if _actions:
            _stop(number, frame)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
