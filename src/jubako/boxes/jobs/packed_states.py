"""The states of all tasks of an execution, one letter each, at the price of those that move.

Tasks are looked at in pieces. A piece whose tasks are all final never changes again and is remembered. The execution
knows how many of its tasks wait: once as many are left to wait as are left at all, the rest need no look. So of ten
thousand tasks that are watched while they run, only the few pieces between are read.
"""

import threading

from jubako.boxes.jobs.rows import ExecutionRow
from jubako.boxes.jobs.states import TASK_FINAL, TaskState
from jubako.store.port import Tx

PIECE = 250
READS_AT_ONCE = 4
"""So many pieces are read in less time than it takes to have another thread do it."""
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

    def of(self, tx: Tx, row: ExecutionRow, reads_max: int) -> str | None:
        """Return the first letter of every task's state, by index; None if it takes more than ``reads_max`` pieces."""
        over, waiting = self._remembered(row.uid), row.counts.pending
        pieces: list[str] = []
        for first in range(0, row.task_count, PIECE):
            if waiting == row.task_count - first:
                pieces.append(_WAITING * waiting)
                break
            letters = over.get(first)
            if letters is None:
                if reads_max == 0:
                    return None
                reads_max -= 1
                letters = _read(tx, row.uid, first)
                waiting -= letters.count(_WAITING)
                if _FINAL.issuperset(letters):
                    over[first] = letters
            pieces.append(letters)
        return "".join(pieces)

    def _remembered(self, execution_uid: str) -> dict[int, str]:
        with self._lock:
            if execution_uid not in self._over and len(self._over) >= _EXECUTIONS_MAX:
                self._over.clear()
            return self._over.setdefault(execution_uid, {})


def _read(tx: Tx, execution_uid: str, first: int) -> str:
    rows = tx.all(
        "SELECT state FROM job_tasks WHERE execution_uid = ? AND task_index >= ? AND task_index < ? "
        "ORDER BY task_index",
        execution_uid, first, first + PIECE,
    )  # fmt: skip
    return "".join(_LETTERS[state] for (state,) in rows)
