"""The server that the demo uses: the one that runs on the state directory, or a child that the demo starts and ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jubako.cli.client import Client
from jubako.cli.context import Context
from jubako.cli.errors import CliError, ServerUnreachable

READY_S = 30.0
STOP_S = 30.0
"""More than the 10 s that tasks get to end by themselves."""
AWAY_S = 60.0
"""How long a server that somebody else runs may be away."""
RETURN_S = 5.0
"""After which time a server is started where none has come back."""
REVIVALS_MAX = 5
SERVICE_START_S = 20.0
"""How long a service that is being started may answer 503."""
PORT_TAKEN = "Cannot listen on"
"""How the server says that it cannot have its port."""
LOG_LINES_SHOWN = 5


class DemoServer:
    """A server, wherever it comes from."""

    def __init__(self, context: Context, port: int | None) -> None:
        self.state = context.state.absolute()
        self.address = context.server
        self.was_started = False
        self._context = context
        self._port = port
        self._child: subprocess.Popen[bytes] | None = None
        self._revivals = 0

    @property
    def client(self) -> Client:
        """A new connection: quick to notice a dead server, patient with a service that is being started."""
        return Client(self.address, hiccup_s=SERVICE_START_S)

    def find_or_start(self) -> None:
        """Use the server that runs, else start one.

        Raises:
            CliError: None runs at the address that was named, or one cannot be started.

        """
        if self._context.is_server_given:
            self._greet()
        elif self._is_running():
            self._context.note(f"Using the server at {self.address}.")
        else:
            self._start()
            self._context.note(f"Started a server at {self.address}, state in {self.state}.")

    def revive(self, error: ServerUnreachable) -> None:
        """Bring back a server that went away: our child at once, anybody else's if it does not come back by itself.

        Raises:
            CliError: It does not come back.

        """
        if self._child is None or self._child.poll() is None:
            self._await_return(error)
            return
        if self._revivals == REVIVALS_MAX:
            raise error
        self._revivals += 1
        self._context.note(f"The server ended ({_ending(self._child.returncode)}); starting it again.")
        self._start()

    def _await_return(self, error: ServerUnreachable) -> None:
        """Wait for a server; one that is not ours and does not come back to its state directory is replaced."""
        self._context.note("The server does not answer; waiting for it.")
        deadline = time.monotonic() + AWAY_S
        while time.monotonic() < deadline:
            if self._answers():
                return
            is_ours_to_start = self._child is None and not self._context.is_server_given
            if is_ours_to_start and time.monotonic() > deadline - AWAY_S + RETURN_S:
                self._context.note("It does not come back; starting one.")
                self._start()
                return
            time.sleep(0.5)
        raise error

    def stop(self) -> bool:
        """End our child, with all that it runs, and wait until it is gone; say whether there was one."""
        if self._child is None:
            return False
        self._child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while self._child.poll() is None:
            try:
                self._child.wait(max(deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                self._child.kill()
            except KeyboardInterrupt:
                # Killed now, the server would leave its tasks behind; they have ten seconds to end.
                self._context.note("Still stopping: what runs is given a few seconds to end.")
        self._child = None
        return True

    def _greet(self) -> None:
        if not self._answers():
            raise ServerUnreachable(f"No server at {self.address}.", "Leave --server out and one is started.")

    def _is_running(self) -> bool:
        record = self._record()
        pid, address = record.get("pid"), record.get("address")
        if not isinstance(pid, int) or not isinstance(address, str) or not _is_alive(pid):
            return False
        self.address = address
        return self._answers()

    def _record(self) -> dict[str, object]:
        try:
            record = json.loads((self.state / "server.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _answers(self) -> bool:
        client = Client(self.address, timeout_s=5.0, hiccup_s=0.0)
        try:
            return client.get("/healthz").get("status") == "ok"
        except CliError:  # nobody there, or somebody else
            return False
        finally:
            client.close()

    def _start(self) -> None:
        """Start a child; where the port is taken and none was asked for, on any free one."""
        try:
            self._spawn(self._port)
        except _NotStarted as failure:
            if self._port is not None or PORT_TAKEN not in failure.message:
                raise
            self._context.note("The server's port is taken by another program; taking a free one.")
            self._spawn(0)

    def _spawn(self, port: int | None) -> None:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = self.state / "server.log"
        words = [sys.executable, "-m", "jubako", "up", "--state", str(self.state)]
        words += [] if port is None else ["--port", str(port)]
        with log.open("ab") as output:
            beginning = output.tell()
            # A session of its own: Ctrl-C is for us, who then end it in order.
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and words
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._wait_until_ready(self._child, log, beginning)
        self.was_started = True

    def _wait_until_ready(self, child: subprocess.Popen[bytes], log: Path, beginning: int) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            record = self._record()
            if record.get("pid") == child.pid:
                self.address = str(record.get("address"))
                if self._answers():
                    return
            if child.poll() is not None:
                self._child = None
                raise _NotStarted(_said(log, beginning), log)
            time.sleep(0.05)
        raise CliError(f"The server did not get ready within {READY_S:.0f} s.", f"Its log: {log}")


class _NotStarted(CliError):
    """A child that ended before it was ready."""

    def __init__(self, said: str, log: Path) -> None:
        super().__init__(f"The server did not start: {said}", f"Its log: {log}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _said(log: Path, beginning: int) -> str:
    """Return the last words of the server in its log, which held ``beginning`` bytes before it started."""
    with log.open("rb") as text:
        text.seek(beginning)
        lines = text.read().decode(errors="replace").strip().splitlines()
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return " ".join(errors or lines[-LOG_LINES_SHOWN:]) or "it said nothing."


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"
