"""All that reading captions needs but the networks, which belong to each task."""

import rapidocr  # noqa: F401

from jubako_apps.telop import decoding, extract, media, ocr, pipeline, tasks  # noqa: F401
