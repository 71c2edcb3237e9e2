"""From a source directory to a bundle: copied, given a Python environment if it asks for one, kept under its digest.

The same source is built once; a build that died is thrown away by the next one. Two builds wait for one another.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jubako.cli.building import sources
from jubako.cli.building.entry_points import Texts, entry_point, project_of
from jubako.cli.errors import CliError
from jubako.cli.terminal import clean
from jubako.runtime.bundles import Bundle, Bundles, Manifest

FORMAT = 1
"""Of what is built: another one makes other digests."""
_ERROR_LINES = 15


def build(root: Path, bundles: Bundles, entry: Sequence[str] = ()) -> tuple[Bundle, bool]:
    """Return the bundle of a source, and whether it was built now.

    Args:
        root: The source.
        bundles: Where it goes.
        entry: Its command; (): what the source says.

    Raises:
        CliError: The source is wrong, or its requirements cannot be installed.

    """
    files = sources.files_of(root)
    texts = Texts({str(file) for file in files}, _text(root, "Procfile"), _text(root, "pyproject.toml"))
    command = list(entry) or entry_point(texts)
    wanted = _requirements(texts)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}" if wanted else sys.executable
    digest = sources.digest_of(root, files, f"{FORMAT} {python} {command}")
    with _locked(bundles.root):
        if (known := bundles.get(digest)) is not None:
            return known, False
        place = bundles.place(digest)
        shutil.rmtree(place, ignore_errors=True)
        try:
            sources.copy(root, files, place / "app")
            if wanted:
                _install(place, wanted)
            bundles.finish(digest, Manifest(_found(command, place, has_venv=bool(wanted)), bool(wanted)))
        except (CliError, OSError) as error:
            shutil.rmtree(place, ignore_errors=True)
            if isinstance(error, CliError):
                raise
            raise CliError(f"The bundle cannot be written: {error.strerror}.") from None
    built = bundles.get(digest)
    assert built is not None, digest
    return built, True


def _text(root: Path, name: str) -> str:
    file = root / name
    try:
        return file.read_text("utf-8") if file.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {error}.") from None


def _requirements(texts: Texts) -> list[str]:
    """Return what pip is told to install; [] if the source needs no environment of its own."""
    listed = ["-r", "requirements.txt"] if "requirements.txt" in texts.files else []
    project = project_of(texts.pyproject)
    needs_itself = bool(project.get("scripts")) or (not listed and bool(project))
    return [*listed, *(["."] if needs_itself else [])]


def _install(place: Path, wanted: Sequence[str]) -> None:
    """Make a virtual environment by uv, or by venv and pip, and install into it."""
    venv, uv = str(place / "venv"), shutil.which("uv")
    python = f"{venv}/bin/python"
    if uv:
        steps = [
            [uv, "venv", "--quiet", "--python", sys.executable, venv],
            [uv, "pip", "install", "--quiet", "--python", python, *wanted],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", venv],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
        ]
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    for step in steps:
        done = subprocess.run(  # noqa: S603 - what a person builds
            step,
            cwd=place / "app",
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            told = clean("\n".join((done.stderr or done.stdout).strip().splitlines()[-_ERROR_LINES:]))
            raise CliError(f"`{Path(step[0]).name} {' '.join(step[1:4])} ...` failed:\n{told}")


def _found(command: Sequence[str], place: Path, *, has_venv: bool) -> list[str]:
    """Return a command whose program is where the bundle has it."""
    program, *words = command
    if has_venv and (place / "venv" / "bin" / program).is_file():
        return [str(place / "venv" / "bin" / program), *words]
    return [sys.executable if program == "python" else program, *words]


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CliError(
            f"{root} cannot be written: {error.strerror}.", "Name the state: --state DIR."
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
