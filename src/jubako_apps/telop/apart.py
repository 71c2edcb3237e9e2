"""An ear in a process of its own: it loads its models and listens while its owner does something else.

Pocketsphinx holds Python's lock while it listens, so threads would not help. The process is forked before its owner
starts threads, and ends when the owner does or closes it.
"""

import multiprocessing
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Final, Self

from jubako_apps.telop.telops import Word
from jubako_apps.telop.verify import AROUND, Ear

_NEAR: Final = AROUND + 1
"""No ear that is kept apart looks at more words around the doubtful ones; all others need not be sent."""


class Apart:
    """See `jubako_apps.telop.verify.Ear`.

    Args:
        make: Loads the ear; called in the other process.
        clear: See Ear.

    """

    def __init__(self, make: Callable[[], Ear], clear: float) -> None:
        self.clear = clear
        context = multiprocessing.get_context("fork")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_listen, args=(make, theirs, self._ours), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads in C libraries, which look after themselves
            self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._process.join()

    def margin(self, words: Sequence[Word], first: int, last: int, shown: str, heard: str) -> float | None:
        """See Ear.

        Raises:
            EOFError: The other process has died.

        """
        begin = max(0, first - _NEAR)
        self._ours.send((words[begin : last + _NEAR], first - begin, last - begin, shown, heard))
        answer: float | None = self._ours.recv()
        return answer


def _listen(make: Callable[[], Ear], questions: Connection, owners: Connection) -> None:
    owners.close()  # else this process would keep it open, and never see it closed
    ear = make()
    while True:
        try:
            question = questions.recv()
        except EOFError:
            return
        questions.send(ear.margin(*question))
