"""Limits copied from Google; they are facts of the API, not settings.

Sources: cloud.google.com/run/quotas and .../run/docs/configuring (task timeout, max retries); the comments of
google/cloud/run/v2/*.proto; cloud.google.com/workflows/quotas.
"""

from datetime import timedelta

TASKS_PER_EXECUTION_MAX = 10_000
TASK_RETRIES_MAX = 10
TASK_RETRIES_DEFAULT = 3
TASK_TIMEOUT_MAX = timedelta(hours=168)
TASK_TIMEOUT_DEFAULT = timedelta(minutes=10)
STOP_GRACE = timedelta(seconds=10)
ENV_VARS_PER_CONTAINER_MAX = 1_000
JOB_NAME_LENGTH_MAX = 49
"""Leaves room for the ``-abcde`` suffix of an execution within 63 characters less the task suffix."""

REQUEST_TIMEOUT_DEFAULT = timedelta(minutes=5)
REQUEST_TIMEOUT_MAX = timedelta(minutes=60)
SERVICE_NAME_LENGTH_MAX = 49
SERVICE_STARTUP_MAX = timedelta(seconds=240)

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1_000
