"""Events of the engines as lines: for people on a terminal, as JSON in Cloud Logging's shape otherwise."""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

from jubako.core.clock import Clock
from jubako.core.events import Severity
from jubako.core.timestamps import format_timestamp

_ORDER: dict[Severity, int] = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3}


class StreamEvents:
    """See Events. Writes to one stream; a closed or full stream is not worth dying for."""

    def __init__(self, stream: TextIO, clock: Clock, *, as_json: bool, least: Severity = "INFO") -> None:
        self._stream = stream
        self._clock = clock
        self._as_json = as_json
        self._least = _ORDER[least]

    def emit(self, name: str, severity: Severity = "INFO", **fields: object) -> None:
        """See Events."""
        if _ORDER[severity] < self._least:
            return
        line = self._json(name, severity, fields) if self._as_json else self._text(name, severity, fields)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    def _json(self, name: str, severity: Severity, fields: dict[str, object]) -> str:
        entry = {"time": format_timestamp(self._clock.now()), "severity": severity, "message": name, **fields}
        return json.dumps(entry, default=str, ensure_ascii=False)

    def _text(self, name: str, severity: Severity, fields: dict[str, object]) -> str:
        time = _time_of_day(int(self._clock.now().timestamp()))
        mark = "" if severity in {"DEBUG", "INFO"} else f" {severity}"
        # repr() keeps control characters out of the terminal.
        told = " ".join(f"{key}={_plain(value)}" for key, value in fields.items())
        return f"{time}{mark} {name} {told}".rstrip()


@lru_cache(maxsize=1)
def _time_of_day(second: int) -> str:
    """Return the local time; the lines of one second have it in common."""
    return datetime.fromtimestamp(second, UTC).astimezone().strftime("%H:%M:%S")


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)
