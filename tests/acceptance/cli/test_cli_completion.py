"""Completion in the shells themselves: each one that is on this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ASK = {
    "bash": (
        'eval "$(jubako completion bash)"; COMP_WORDS=(jubako $WORDS); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); '
        '_jubako; printf "%s\\n" "${COMPREPLY[@]}"'
    ),
    # The function asks the completion system for its words; here they are printed in its place.
    "zsh": (
        'compdef() { : }; compadd() { print -l -- "${(@P)2}" }; _files() { : }; eval "$(jubako completion zsh)"; '
        "words=(jubako ${=WORDS}); CURRENT=${#words}; _jubako"
    ),
    "fish": 'jubako completion fish | source; complete -C "jubako $WORDS"',
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with ``jubako`` on the PATH and an empty home."""
    program = tmp_path / "bin" / "jubako"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jubako "$@"\n')
    program.chmod(0o755)
    python_path = os.environ.get("PYTHONPATH", "")
    path = f"{program.parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "PYTHONPATH": python_path, "LANG": "C.UTF-8"}


@pytest.mark.parametrize("shell", ASK)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("run jo", ["jobs"]),
        ("run jobs ex", ["execute", "executions"]),
        ("run jobs deploy x --task", ["--task-timeout", "--tasks"]),
        ("workflows executions de", ["describe"]),
    ],
)
def test_words_and_flags_are_completed(
    environ: dict[str, str], shell: str, words: str, offered: list[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    flags = {"zsh": ["-f"], "bash": ["--norc"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *flags, "-c", ASK[shell]],
        env={**environ, "WORDS": words},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert sorted(line.split("\t")[0] for line in done.stdout.split()) == offered, done.stderr
