"""Lines of task output as log entries. Pure.

A line that is a JSON object is understood as Cloud Logging does; any other line is text.
Source: Cloud Logging, "Structured logging", special JSON fields; Cloud Run, "Writing structured logs".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from jubako.core import json_text
from jubako.telemetry.log_comparison import SEVERITIES

LABELS_FIELD = "logging.googleapis.com/labels"
TRACE_FIELD = "logging.googleapis.com/trace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a line says."""

    severity: str = "DEFAULT"
    text: str | None = None
    """Set if ``payload`` is not."""
    payload: Mapping[str, Any] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    trace: str = ""


def read(line: bytes) -> Content:
    """Return the content of a line without its newline; bytes that are not UTF-8 become U+FFFD."""
    if line.startswith(b"{"):
        try:
            payload = json_text.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            payload = None
        if isinstance(payload, dict):
            return _structured(payload)
    return Content(text=line.decode("utf-8", "replace"))


def _structured(payload: dict[str, Any]) -> Content:
    severity = str(payload.pop("severity", "DEFAULT")).upper()
    labels = payload.pop(LABELS_FIELD, None)
    trace = payload.pop(TRACE_FIELD, "")
    return Content(
        severity=severity if severity in SEVERITIES else "DEFAULT",
        payload=payload,
        labels={str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
        trace=trace if isinstance(trace, str) else "",
    )
