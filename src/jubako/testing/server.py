"""A real server in a process of its own, to be killed and started again."""

import json
import os
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SLOWNESS = float(os.environ.get("JUBAKO_TEST_SLOWNESS", "1"))
"""How many times longer than usual everything may take here: on an emulated machine, 20."""
READY_S = 30.0 * SLOWNESS
STOP_S = 40.0 * SLOWNESS
_INTO = 'echo $$ > "$0" && exec "$@"'
PARENT = "projects/local/locations/asia-northeast1"


class ServerProcess:
    """``jubako up`` on a state directory; use as a context manager, or start and stop it by hand."""

    def __init__(
        self,
        state_dir: Path,
        *,
        port: int = 0,
        environment: dict[str, str] | None = None,
        flags: Sequence[str] = (),
        group: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """Say where its state is.

        Args:
            state_dir: The state directory.
            port: Where to listen; 0 = anywhere at first, then there again.
            environment: Added to this process's own.
            flags: Added to those of ``jubako up``.
            group: The control group of version 2 that it is started in; None = this process's own.
            prefix: A command that starts it, and goes when it goes.

        """
        self.state_dir = state_dir
        self.address = ""
        self.said = ""
        """Its line on being ready."""
        self.group = group
        self._prefix = prefix
        self._port = port
        self._environment = environment or {}
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and return when it is ready.

        Raises:
            RuntimeError: It did not become ready; the message holds its log.

        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(
                        self._prefix
                        if self.group is None
                        else ("/bin/sh", "-c", _INTO, str(self.group / "cgroup.procs"))
                    ),
                    sys.executable,
                    "-m",
                    "jubako",
                    "up",
                    "--state",
                    str(self.state_dir),
                    "--port",
                    str(self._port),
                    *self._flags,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_S)
        line = self._process.stdout.readline().decode() if readable else ""
        if "ready" not in line:
            self.kill()
            raise RuntimeError(f"the server did not become ready:\n{self._log.read_text('utf-8')}")
        self.said = line
        self.address = json.loads((self.state_dir / "server.json").read_text("utf-8"))["address"]
        self._port = int(self.address.rpartition(":")[2])
        return self

    @property
    def pid(self) -> int:
        """Of the server's process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, no clean-up. Its tasks go on."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as a person would: SIGTERM; return its exit code. Its tasks are ended too."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Start it again after ``kill`` or ``stop``, on the same port."""
        self.start()

    def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return the JSON answer to a GET of ``path`` (``/v2/...``)."""
        return self.call("GET", path)

    def post(self, path: str, body: object = None, **headers: str) -> Any:  # noqa: ANN401
        """Return the JSON answer to a POST; underscores in header names stand for hyphens.

        Raises:
            ApiError: The answer is an error.

        """
        return self.call("POST", path, body if body is not None else {}, headers)

    def call(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:  # noqa: ANN401
        """Return the JSON answer to any request."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "content-type": "application/json",
                **self._credentials(),
                **{name.replace("_", "-"): value for name, value in (headers or {}).items()},
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, json.loads(error.read())["error"]) from None

    def _credentials(self) -> dict[str, str]:
        """Return the owner's credentials, if this server wants any."""
        token = self.state_dir / "identity" / "owner.token"
        return {"authorization": f"Bearer {token.read_text('ascii')}"} if token.is_file() else {}

    def supervisor_pid(self) -> int:
        """Return the pid of the program that owns this state directory's processes."""
        mark = str(self.state_dir.absolute()).encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                words = _command_line(entry)
                if mark in words and any(b"jubako.runtime.supervisor" in word for word in words):
                    return int(entry.name)
        raise LookupError(f"no supervisor of {self.state_dir}")

    def log(self) -> str:
        """Return all that it wrote to its standard error so far."""
        return self._log.read_text("utf-8", errors="replace")

    def resident_kb(self) -> int:
        """Return how much memory it holds (Linux)."""
        lines = Path(f"/proc/{self.pid}/status").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def descriptors(self) -> int:
        """Return how many files and sockets it has open (Linux)."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def _log(self) -> Path:
        return self.state_dir.with_name(self.state_dir.name + ".log")

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        return code

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()


class ApiError(Exception):
    """An answer in Google's error shape."""

    def __init__(self, http_status: int, error: dict[str, Any]) -> None:
        super().__init__(f"{http_status} {error}")
        self.http_status = http_status
        self.status: str = error.get("status", "")
        self.message: str = error["message"]


def _command_line(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except OSError:  # it has gone meanwhile
        return []
