"""All that reading captions needs, the networks included: loaded once, they are shared by the tasks."""

from contextlib import suppress

import rapidocr  # noqa: F401

from jubako_apps.telop import decoding, extract, media, ocr, pipeline, tasks  # noqa: F401

with suppress(ocr.EngineMissing):  # each task says so itself
    ocr.packaged_engine()
