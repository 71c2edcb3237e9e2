"""All that listening with the built-in recogniser needs but its models, which belong to each task."""

from contextlib import suppress

from jubako_apps.telop import pipeline, speech, tasks, tracks  # noqa: F401

with suppress(ImportError):  # there is none for the newest Pythons
    from jubako_apps.telop.recognisers import sphinx  # noqa: F401
