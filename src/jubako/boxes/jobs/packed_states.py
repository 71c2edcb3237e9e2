"""The states of all tasks of an execution, one letter each, at the price of those that move.

Tasks are looked at in pieces. A piece whose tasks are all final never changes again and is remembered; one whose tasks
all wait is known from the index of those that wait; only what lies between is read. So ten thousand tasks that are
watched while they run cost a millisecond and not ten.
"""

import threading

from jubako.boxes.jobs.states import TASK_FINAL, TaskState
from jubako.store.port import Tx

PIECE = 250
_EXECUTIONS_MAX = 64
_LETTERS = {state.value: state.value[0].upper() for state in TaskState}
"""No two states begin with the same letter."""
_FINAL = frozenset(_LETTERS[state] for state in TASK_FINAL)
_WAITING = _LETTERS[TaskState.PENDING]


class PackedStates:
    """Remembers the pieces that are over; it may be asked by several threads."""

    def __init__(self) -> None:
        self._over: dict[str, dict[int, str]] = {}
        """Letters by the first index of their piece, by execution. The inner ones only grow, by equal values."""
        self._lock = threading.Lock()

    def of(self, tx: Tx, execution_uid: str, task_count: int) -> str:
        """Return the first letter of every task's state, by index."""
        over = self._remembered(execution_uid)
        waiting = _waiting(tx, execution_uid)
        pieces = []
        for first in range(0, task_count, PIECE):
            size = min(PIECE, task_count - first)
            if first in over:
                letters = over[first]
            elif waiting.get(first) == size:
                letters = _WAITING * size
            else:
                letters = _read(tx, execution_uid, first)
                if _FINAL.issuperset(letters):
                    over[first] = letters
            pieces.append(letters)
        return "".join(pieces)

    def _remembered(self, execution_uid: str) -> dict[int, str]:
        with self._lock:
            if execution_uid not in self._over and len(self._over) >= _EXECUTIONS_MAX:
                self._over.clear()
            return self._over.setdefault(execution_uid, {})


def _waiting(tx: Tx, execution_uid: str) -> dict[int, int]:
    """Return how many tasks wait in each piece, by its first index, from the index alone."""
    rows = tx.all(
        "SELECT task_index / ?, COUNT(*) FROM job_tasks WHERE execution_uid = ? AND state = 'pending' GROUP BY 1",
        PIECE, execution_uid,
    )  # fmt: skip
    return {number * PIECE: count for number, count in rows}


def _read(tx: Tx, execution_uid: str, first: int) -> str:
    rows = tx.all(
        "SELECT state FROM job_tasks WHERE execution_uid = ? AND task_index >= ? AND task_index < ? "
        "ORDER BY task_index",
        execution_uid, first, first + PIECE,
    )  # fmt: skip
    return "".join(_LETTERS[state] for (state,) in rows)
