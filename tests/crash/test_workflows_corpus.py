"""Every program of the corpus, the server killed after every entry of its journal: nothing differs from a run in peace.

In this process a kill is a store that falls silent at that commit: what was in memory is lost, and the next life begins
with the file. The nightly run kills real processes.

Deaths after an entry are in lives that hold no turn back, so that each outcome has a commit of its own; deaths before
one are in lives as they are.
"""

import asyncio
import importlib.util
import json
import random
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jubako.boxes.workflows.language.effects import EffectKind, kind_of
from jubako.boxes.workflows.language.library import FUNCTIONS, Kind

PROGRAM = Path(__file__).with_name("workflow_corpus_program.py")
PROGRAMS = sorted(file.stem for file in PROGRAM.with_name("workflow_corpus").glob("*.yaml"))
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KILLS = 24
"""Real kills of one program in the nightly run."""


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("workflow_corpus_program", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


corpus = _loaded()


def told(seen: dict[str, Any], program: str) -> dict[str, Any]:
    """Return what must not differ; branches may take turns in another order, and ids are chance.

    An effect that was sent with two different ids is there twice, and so differs.
    """
    effects = [ID.sub("ID", effect) for effect in seen["effects"]]
    if "parallel" in program:
        effects.sort()
    entries = (
        None if "cancelled" in program else seen["entries"]
    )  # what is told at the same moment may be in or not
    return {**seen, "effects": effects, "entries": entries}


def folder(tmp_path: Path, name: str) -> Path:
    state = tmp_path / name
    state.mkdir()
    return state


async def in_peace(tmp_path: Path, program: str) -> dict[str, Any]:
    seen: dict[str, Any] = await corpus.live(folder(tmp_path, "peace"), program, "never", 0)
    return seen


async def test_the_corpus_is_large_and_its_programs_do_something(tmp_path: Path) -> None:
    assert len(PROGRAMS) >= 15
    seen = [await in_peace(folder(tmp_path, program), program) for program in PROGRAMS]
    assert all(one["effects"] for one in seen)
    assert {one["state"] for one in seen} == {"SUCCEEDED", "FAILED", "CANCELLED"}
    assert sum(one["entries"] for one in seen) >= 80


def test_every_kind_of_effect_is_in_the_corpus() -> None:
    sources = "".join(file.read_text("utf-8") for file in PROGRAM.with_name("workflow_corpus").glob("*.yaml"))
    outside = {name for name, function in FUNCTIONS.items() if function.kind is not Kind.PURE}
    used = {kind_of(name) for name in outside if name in sources} | {kind_of("googleapis.run")}
    assert used == set(EffectKind) - {EffectKind.ABANDON}
    assert "googleapis.run.v2" in sources


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_death_after_any_journal_entry_changes_nothing(tmp_path: Path, program: str) -> None:
    peace = await in_peace(tmp_path, program)
    for entry in range(1, peace["entries"] + 1):
        state = folder(tmp_path, f"after{entry}")
        first = await corpus.live(state, program, "after", entry, hold_s=0.0)
        assert first is None or "cancelled" in program
        seen = await corpus.live(state, program, "never", 0)
        assert told(seen, program) == told(peace, program), f"after entry {entry}"


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_commit_that_never_happened_changes_nothing(tmp_path: Path, program: str) -> None:
    peace = await in_peace(tmp_path, program)
    for entry in range(1, peace["entries"] + 1, 2):
        state = folder(tmp_path, f"before{entry}")
        first = await corpus.live(state, program, "before", entry)
        assert first is None or "cancelled" in program
        seen = await corpus.live(state, program, "never", 0)
        assert told(seen, program) == told(peace, program), f"before entry {entry}"


@pytest.mark.parametrize("program", ["parallel_branches_share", "child", "callback"])
async def test_a_death_in_every_life_changes_nothing(tmp_path: Path, program: str) -> None:
    peace = await in_peace(tmp_path, program)
    state = folder(tmp_path, "often")
    for entry in range(1, peace["entries"] + 1):
        await corpus.live(state, program, "after", entry)
    seen = await corpus.live(state, program, "never", 0)
    assert told(seen, program) == told(peace, program)


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_process_changes_nothing(tmp_path: Path, program: str) -> None:
    peace = asyncio.run(in_peace(tmp_path, program))
    deaths = [(when, entry) for when in ("before", "after") for entry in range(1, peace["entries"] + 1)]
    for when, entry in random.Random(program).sample(deaths, min(KILLS, len(deaths))):
        state = folder(tmp_path, f"{when}{entry}")
        first = life(state, program, when, entry)
        assert first.returncode == -signal.SIGKILL or "cancelled" in program
        second = life(state, program, "never", 0)
        assert second.returncode == 0, second.stderr
        assert told(json.loads(second.stdout), program) == told(peace, program), f"{when} entry {entry}"


def life(state: Path, program: str, when: str, entry: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(PROGRAM), str(state), program, when, str(entry)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
