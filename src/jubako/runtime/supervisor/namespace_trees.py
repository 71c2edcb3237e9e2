"""Process trees that are each in a PID namespace: the kernel ends all of one with its first process, the init.

So a tree is gone when its init is, whatever a process in it did to its session, its parents or its environment, and
however fast it forks; also when this process is killed. It limits nothing.
"""

import signal
from collections.abc import Sequence

from jubako.runtime.supervisor import enclosed, proc
from jubako.runtime.supervisor.attempt import Attempt
from jubako.runtime.supervisor.trees import Uncontained, signal_quietly


class NamespaceTrees(Uncontained):
    """See Trees; the leader of each attempt is the init of its namespace."""

    level = "pid-namespace"

    def enter(self, attempt: Attempt) -> None:
        """See Trees."""

    def exited(self, attempt: Attempt) -> None:
        """See Trees."""

    def remaining(self, leaderless: Sequence[Attempt]) -> set[str]:
        """See Trees: an init is a zombie only when it is the last of its namespace."""
        del leaderless
        return set()

    def send(self, attempts: Sequence[Attempt], signum: int) -> None:
        """See Trees."""
        if signum == signal.SIGKILL:
            for attempt in attempts:
                signal_quietly(attempt.pid, signum)
            return
        for attempt in attempts:
            enclosed.tell_to_stop(attempt)
        table = proc.processes()
        inits = {attempt.pid for attempt in attempts}
        for pid in proc.descendants(inits, table) - inits:
            signal_quietly(pid, signum)

    def leave(self, attempt: Attempt) -> None:
        """See Trees."""
