"""The program that a warm start forks from: run as ``PYTHON [OPTIONS] zygote.py SOCKET MODULE``, not imported.

It imports MODULE once, says ``ready`` and then forks for each request. It uses nothing of ours and is run by the Python
of the user's command, whatever version that is. The fork is made twice, so that the process becomes a child of the
supervisor, and nothing of the user's runs in it before the supervisor has noted its pid and opened the gate.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import runpy
import socket
import sys
import threading
import warnings
from array import array
from typing import Any


def _serve(sock: socket.socket, module: str) -> dict[str, Any]:
    """Return what to run, in a new process; the zygote itself never returns."""
    importlib.import_module(module)
    if threading.active_count() > 1:
        sock.send(b"unfit: it started threads when it was imported")
        os._exit(0)
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    gc.freeze()
    sock.send(b"ready")
    return _wait(sock)


def _wait(sock: socket.socket) -> dict[str, Any]:
    while True:
        data, ancillary, _, _ = sock.recvmsg(4 << 20, socket.CMSG_SPACE(5 * 4))
        if not data:  # the supervisor is gone
            os._exit(0)
        fds = array("i")
        for _, _, content in ancillary:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        request = json.loads(data)
        reader, writer = os.pipe()
        middle = os.fork()
        if middle == 0:
            os.close(reader)
            _leave(request, fds, writer)
            sock.close()
            return _become(request, fds)
        os.close(writer)
        for fd in fds:
            os.close(fd)
        pid = os.read(reader, 32)
        os.close(reader)
        os.waitpid(middle, 0)  # from here on its child is the supervisor's
        sock.send(pid or b"failed")


def _leave(request: dict[str, Any], fds: array[int], writer: int) -> None:
    """Go through the doors, into the namespaces, and on as a grandchild of the zygote; the child ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads in C libraries, which look after themselves
        try:
            for door in request["doors"]:
                fd = os.open(door, os.O_WRONLY)
                os.write(fd, b"0")
                os.close(fd)
            if request["plan"] is None:
                _step_out(writer)
            else:
                _enclose(request["plan"], request["directory"], fds, writer)
        except Exception:  # noqa: BLE001 - whatever it is, the start is cold then, and says it again
            os._exit(1)


def _step_out(writer: int) -> None:
    pid = os.fork()
    if pid:
        os.write(writer, b"%d" % pid)
        os._exit(0)
    os.close(writer)


def _enclose(plan: dict[str, Any], directory: str, fds: array[int], writer: int) -> None:
    enclosure, mounting = _load("enclosure"), _load("mounting")
    enclosure.unshare(plan["flags"])
    mounting.keep_apart()
    mounting.furnish(plan["mounts"], plan["stage"])
    os.chdir(directory)  # a volume may be there now
    if len(fds) < 5:
        _step_out(writer)
        return
    ready, done = os.pipe()
    pid = os.fork()
    if pid:
        os.close(done)
        if os.read(ready, 1):
            os.write(writer, b"%d" % pid)
        os._exit(0)
    mounting.mount_proc()
    enclosure.bound_processes(plan["pids_max"])
    os.write(done, b"r")
    for fd in (ready, done, writer):
        os.close(fd)
    enclosure.become_init(fds.pop())


def _load(name: str) -> Any:  # noqa: ANN401 - a module
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")  # noqa: PTH100, PTH118, PTH120
    spec = importlib.util.spec_from_file_location(f"_jubako_{name}", path)
    assert spec is not None and spec.loader is not None, path  # noqa: PT018 - one thing
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _become(request: dict[str, Any], fds: array[int]) -> dict[str, Any]:
    """Return what to run, in a process that is as fresh as a new one."""
    os.setsid()
    if os.read(fds[3], 1) != b"g":  # the supervisor has given up on this one
        os._exit(0)
    for target in range(3):
        os.dup2(fds[target], target)
    for fd in set(fds) - {0, 1, 2}:
        os.close(fd)
    os.environ.clear()
    os.environ.update(request["env"])
    random = sys.modules.get("numpy.random")
    if random is not None:  # Python's own is seeded again by itself
        random.seed()
    return request


def _run(request: dict[str, Any]) -> None:
    kind, what, arguments = request["kind"], request["what"], request["arguments"]
    sys.argv = [what, *arguments]
    if kind == "module":
        sys.modules.pop(what, None)
        sys.path[0] = os.getcwd()  # noqa: PTH109 - a string is what belongs there
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(what))  # noqa: PTH100, PTH120 - as the interpreter does
        runpy.run_path(what, run_name="__main__")


def _main() -> None:
    sock = socket.socket(fileno=int(sys.argv[1]))
    module = sys.argv[2]
    # As if the user's command had been started: its own directory is where its modules are found.
    sys.path[0] = sys.argv[3]
    try:
        request = _serve(sock, module)
    except Exception as error:  # noqa: BLE001 - whatever the user's module raises, the start is cold then
        with contextlib.suppress(OSError):
            sock.send(f"unfit: {type(error).__name__}: {error}"[:500].encode("utf-8", "backslashreplace"))
        os._exit(0)
    _run(request)


if __name__ == "__main__":
    _main()
