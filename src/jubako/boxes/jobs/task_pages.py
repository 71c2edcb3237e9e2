"""Tasks in pages: of one execution, or of many (``executions/-``, ``jobs/-/executions/-``). Transaction functions.

Source: google/cloud/run/v2/task.proto, ``ListTasksRequest.parent``.
"""

from collections.abc import Iterator

from jubako.boxes.jobs import rows, task_rows
from jubako.boxes.jobs.rows import ExecutionKey, ExecutionRow
from jubako.boxes.jobs.states import Task
from jubako.store.port import Tx
from jubako.wire.codec import invalid
from jubako.wire.paging import Page

Item = tuple[ExecutionRow, Task]
ALL = "-"


def key_of(item: Item) -> str:
    """Return the key of the page that begins behind ``item``."""
    row, task = item
    return f"{rows.execution_page_key(row)}/{task.index}"


def find(tx: Tx, key: ExecutionKey, page: Page) -> list[Item]:
    """Return tasks, the newest execution's first, by index; one more than asked for if there are more.

    Raises:
        InvalidArgument: The page has a key that ``key_of`` did not make.
        NotFound: There is no such execution, or no such job.

    """
    place, _, index = page.after.rpartition("/")
    if page.after and not (index.isascii() and index.isdecimal() and len(index) < 10):
        raise invalid("pageToken", "is not a token that this server gave out.")
    found: list[Item] = []
    for row in _executions(tx, key, place, page.size):
        behind = rows.execution_page_key(row) == place
        wanted = page.size + 1 - len(found)
        first = int(index) + 1 if behind else 0
        found += [(row, task) for task in task_rows.list_tasks(tx, row.uid, first, wanted)]
        if len(found) > page.size:
            break
    return found


def _executions(tx: Tx, key: ExecutionKey, place: str, size: int) -> Iterator[ExecutionRow]:
    """Yield the executions whose tasks are asked for, from the one at ``place`` on; each has tasks."""
    if key.execution != ALL:
        yield rows.get_execution(tx, key)
        return
    if key.job != ALL:
        rows.get_job(tx, key.job_key)
    # The first may have no task left, so that more of them than tasks can be needed: by one.
    yield from rows.list_executions(tx, key.job_key, Page(size + 1, place), is_included=bool(place))
