"""The standard library of the workflow language; importing this fills the table in `registry`."""

from jubako.boxes.workflows.language.library import (
    codecs,
    collections,
    conversions,
    effects,
    regexps,
    retries,
    texts,
    times,
)
from jubako.boxes.workflows.language.library.registry import CONSTANTS, FUNCTIONS, REQUIRED, Function, Kind

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "REQUIRED",
    "Function",
    "Kind",
    "codecs",
    "collections",
    "conversions",
    "effects",
    "regexps",
    "retries",
    "texts",
    "times",
]
