"""What a task remembers from one attempt to the next."""

from typing import Any

from jubako_sdk.sink import ObjectNotFound, Sink, get_json, put_json, sink
from jubako_sdk.task import Task, current_task


class Checkpoint:
    """One JSON value of one task of one execution; a retry finds what the attempt before it saved last."""

    def __init__(self, place: Sink, name: str) -> None:
        self._place = place
        self.name = name

    def load(self, default: object = None) -> Any:  # noqa: ANN401 - JSON
        """Return the value saved last, or ``default``."""
        try:
            return get_json(self._place, self.name)
        except ObjectNotFound:
            return default

    def save(self, value: object) -> None:
        """Replace the value, durably and at once."""
        put_json(self._place, self.name, value)

    def clear(self) -> None:
        """Forget the value."""
        self._place.delete(self.name)


def checkpoint(key: str = "task", *, place: Sink | None = None, task: Task | None = None) -> Checkpoint:
    """Return the checkpoint ``key`` of this task.

    Args:
        key: Tells several checkpoints of one task apart.
        place: Where it is kept; under ``OUTPUT_URI`` if None.
        task: Whose it is; the running task if None.

    """
    own = task or current_task()
    owner = f"{own.job or 'local'}/{own.execution or 'local'}/{own.index:05d}"
    return Checkpoint(place or sink(), f"checkpoints/{owner}/{key}.json")
