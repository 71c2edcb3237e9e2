"""All that listening with the built-in recogniser needs; its models too if it will listen: the tasks share them."""

import os
from contextlib import suppress

from jubako_apps.telop import pipeline, receptions, speech, tasks, tracks  # noqa: F401
from jubako_apps.telop.recognisers import BUILT_IN
from jubako_sdk import SinkError, sink

with suppress(ImportError, SinkError, OSError, ValueError):  # each task says so itself
    from jubako_apps.telop.recognisers import sphinx

    reception = receptions.load(sink(), os.environ.get("RECEPTION_ID", ""))
    if reception is not None and reception.speech == BUILT_IN:
        sphinx.packaged()
