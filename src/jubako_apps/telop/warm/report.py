"""All that comparing and writing the report needs."""

from jubako_apps.telop import crops, lists, merge, pipeline, reconcile, report, tasks  # noqa: F401
