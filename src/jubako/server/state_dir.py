"""The state directory: one server at a time, one format, private to its owner.

``state.db`` the store · ``supervisor/`` its journal · ``attempts/`` output of tasks and instances ·
``bundles/`` built sources · ``server.json`` where the running server answers · ``lock`` · ``version``.
Unknown files are left alone.
"""

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from jubako.core.errors import FailedPrecondition, Unavailable

FORMAT = 1
DYING_S = 3.0
"""How long the lock of a server that is gone is waited for."""


class StateDirectory:
    """An opened state directory; use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = -1

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.path / "state.db"

    @property
    def attempts(self) -> Path:
        """Where attempts write."""
        return self.path / "attempts"

    @property
    def bundles(self) -> Path:
        """What was built from sources (runtime/bundles.py)."""
        return self.path / "bundles"

    @property
    def address_file(self) -> Path:
        """What clients read to find the running server."""
        return self.path / "server.json"

    def __enter__(self) -> Self:
        """Make it if missing, lock it, check its format.

        Raises:
            FailedPrecondition: Another server has it, or a newer program wrote it.
            Unavailable: It cannot be made or written.

        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._take_lock()
            self._check_format()
        except OSError as error:
            self._release()
            raise Unavailable(f"The state directory {self.path} cannot be used: {error.strerror}.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock and withdraw the address."""
        self.address_file.unlink(missing_ok=True)
        self._release()

    def _take_lock(self) -> None:
        """Lock it; a server that was killed while it started a process leaves the lock there until that one's exec."""
        deadline = time.monotonic() + DYING_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._owner_lives() or time.monotonic() > deadline:
                    self._release()
                    raise FailedPrecondition(
                        f"Another server runs on {self.path}. Use that one, stop it, or give another directory "
                        "with --state."
                    ) from None
                time.sleep(0.01)
            else:
                return

    def _owner_lives(self) -> bool:
        """Return whether the server that told its address here last is a living process."""
        try:
            os.kill(json.loads(self.address_file.read_text("utf-8"))["pid"], 0)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return True

    def tell_address(self, address: str) -> None:
        """Publish where the server answers, whole or not at all."""
        draft = self.path / "server.json.new"
        draft.write_text(json.dumps({"address": address, "pid": os.getpid()}) + "\n", "utf-8")
        draft.replace(self.address_file)

    def _check_format(self) -> None:
        version = self.path / "version"
        if not version.exists():
            version.write_text(f"{FORMAT}\n", "ascii")
            return
        found = version.read_text("ascii").strip()
        if not found.isdigit() or int(found) > FORMAT:
            self._release()
            raise FailedPrecondition(
                f"{self.path} has the format {found!r}; this Jubako knows up to {FORMAT}. "
                "Use the version that wrote it, or another directory with --state."
            )

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
