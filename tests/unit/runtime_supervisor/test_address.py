"""Where a supervisor listens, and who finds it there."""

import tempfile
from pathlib import Path

from jubako.runtime.supervisor import address


def state(folder: Path, name: str) -> Path:
    made = folder / name
    address.home(made).mkdir(mode=0o700, parents=True)
    return made


def test_the_socket_is_inside_the_state_directory() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = state(Path(folder), "state")
        inside, outside = address.candidates(made, "")
        assert inside.parent == address.home(made)
        assert outside.parent.parent == Path("/tmp")


def test_a_path_that_is_too_long_for_a_socket_is_not_tried(tmp_path: Path) -> None:
    runtime_dir = Path("/run")
    [only] = address.candidates(state(tmp_path, "s" * 100), str(runtime_dir))
    assert only.parent.parent == runtime_dir


def test_a_copy_of_a_state_directory_does_not_find_the_supervisor_of_the_original(tmp_path: Path) -> None:
    original, copy = state(tmp_path, "original"), state(tmp_path, "copy")
    socket = address.candidates(original, "")[0]
    address.make_private(socket.parent)
    address.write(original, socket)
    assert address.read(original) == socket
    for name in ("uid", "address"):
        (address.home(copy) / name).write_bytes((address.home(original) / name).read_bytes())
    assert address.read(copy) is None
