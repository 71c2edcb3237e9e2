"""Files of the kernel that are used for every attempt, kept open: opening one costs more than what is done with it."""

import os

_KEPT_MAX = 256
_READ_BYTES = 256


class KeptFiles:
    """Opens each file once, and closes all when there are too many."""

    def __init__(self) -> None:
        self._fds: dict[tuple[str, int], int] = {}

    def write(self, path: str, data: bytes) -> None:
        """Write ``data`` at the beginning in one call; raises OSError."""
        os.pwrite(self._fd(path, os.O_WRONLY), data, 0)

    def read(self, path: str) -> bytes:
        """Return the first bytes; raises OSError."""
        return os.pread(self._fd(path, os.O_RDONLY), _READ_BYTES, 0)

    def close(self) -> None:
        """Close all."""
        while self._fds:
            os.close(self._fds.popitem()[1])

    def _fd(self, path: str, flags: int) -> int:
        fd = self._fds.get((path, flags))
        if fd is None:
            if len(self._fds) >= _KEPT_MAX:
                self.close()
            fd = self._fds[path, flags] = os.open(path, flags)
        return fd
