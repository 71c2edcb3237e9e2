"""Limits of the workflow language, copied from Google, and our own bounds on hostile text.

Source of the first group: cloud.google.com/workflows/quotas.
"""

SOURCE_BYTES_MAX = 128 * 1024
EXPRESSION_CHARS_MAX = 400
ASSIGNMENTS_MAX = 50
CONDITIONS_MAX = 50
BRANCHES_MIN = 2
BRANCHES_MAX = 10
PARAMS_MAX = 10
CONCURRENCY_MAX = 20
PARALLEL_DEPTH_MAX = 2
BRANCH_ERRORS_MAX = 100
CALL_DEPTH_MAX = 20
STEPS_MAX = 100_000
MEMORY_BYTES_MAX = 512 * 1024
ERROR_SLACK_BYTES = 4 * 1024
"""Ours: how far the variable of an `except` may go over the memory limit, so that a full memory can be handled."""
STRING_BYTES_MAX = 256 * 1024
RESULT_BYTES_MAX = MEMORY_BYTES_MAX
ARGUMENT_BYTES_MAX = 32 * 1024
SLEEP_SECONDS_MAX = 366 * 86_400.0
CALLBACK_WAIT_SECONDS = 43_200

WORK_BYTES_MAX = 4 * 2**30
"""Ours: bytes that all copying, comparing and library calls of an execution may go over. Steps alone do not bound time:
one step may copy half a megabyte fifty times."""
STEP_WORK_BYTES_MAX = 16 * 2**20
"""Ours: the same for one step, which is never interrupted."""
SLICE_WORK_BYTES_PER_STEP = 1024

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1

# Ours: nothing a person writes comes near these; they keep recursion and expansion of hostile input bounded.
VALUE_DEPTH_MAX = 100
SOURCE_DEPTH_MAX = 100
SOURCE_NODES_MAX = 100_000
EXPRESSION_DEPTH_MAX = 60
PROBLEMS_MAX = 100

NEAR_SHARE = 0.8
"""Ours: the share of a limit from which on the operator is warned."""


def is_near(used: int, most: int) -> bool:
    """Return whether so much of a limit is used that the operator should know."""
    return used >= NEAR_SHARE * most
