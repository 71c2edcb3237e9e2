"""How a source is started, chosen as Google's buildpacks do. Pure.

1. ``Procfile``: its ``web`` process, else its first one, by a shell.
2. ``pyproject.toml``: the script of ``[project.scripts]``; of several, the one with the project's name, or ``start``.
3. ``main.py``, else ``app.py``: by Python.

Source: cloud.google.com/docs/buildpacks/python, "Application entrypoint".
"""

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from jubako.cli.errors import CliError

_PROCESS = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")
MAIN_FILES = ("main.py", "app.py")


@dataclass(frozen=True, slots=True)
class Texts:
    """What decides it."""

    files: Collection[str]
    """Names at the top of the source."""
    procfile: str = ""
    pyproject: str = ""


def entry_point(texts: Texts) -> list[str]:
    """Return the command of a source.

    Raises:
        CliError: It does not say how it is started, or says it twice.

    """
    if texts.procfile.strip():
        return ["/bin/sh", "-c", f"exec {_process(texts.procfile)}"]
    project = project_of(texts.pyproject)
    scripts = project.get("scripts") or {}
    if isinstance(scripts, dict) and scripts:
        return [_script(scripts, str(project.get("name", "")))]
    for name in MAIN_FILES:
        if name in texts.files:
            return ["python", name]
    raise CliError(
        "The source does not say how it is started.",
        "Add a Procfile (web: COMMAND), [project.scripts] in pyproject.toml or a main.py, or give --command.",
    )


def project_of(pyproject: str) -> dict[str, Any]:
    """Return the ``[project]`` of a pyproject.toml; {} if there is none.

    Raises:
        CliError: It is not TOML.

    """
    try:
        project = tomllib.loads(pyproject).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise CliError(f"pyproject.toml cannot be read: {error}.") from None
    return project if isinstance(project, dict) else {}


def _process(procfile: str) -> str:
    processes: dict[str, str] = {}
    for line in procfile.splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _PROCESS.fullmatch(text)
        if match is None:
            raise CliError(f"Procfile: {text[:60]!r} is not NAME: COMMAND.")
        processes.setdefault(match[1], match[2])
    if not processes:
        raise CliError("Procfile names no process.", "It looks like `web: python main.py`.")
    return processes.get("web") or next(iter(processes.values()))


def _script(scripts: dict[str, Any], project: str) -> str:
    if len(scripts) == 1:
        return next(iter(scripts))
    chosen = next((name for name in (project, "start") if name in scripts), None)
    if chosen is None:
        raise CliError(
            f"pyproject.toml has several scripts: {', '.join(sorted(scripts))}.",
            "Name one `start`, add a Procfile, or give --command.",
        )
    return chosen
