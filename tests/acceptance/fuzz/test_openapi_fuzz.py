"""Schemathesis against the OpenAPI document that a real server serves: a minute of requests finds nothing."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jubako.testing.server import ServerProcess

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("JUBAKO_FUZZ_SECONDS", "60"))
SEEDS = [int(seed) for seed in os.environ.get("JUBAKO_FUZZ_SEEDS", "1").split(",")]

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(SECONDS + 120),
    pytest.mark.skipif(
        importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed (extra fuzz)"
    ),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_request_of_the_document_breaks_its_promises(
    victim: ServerProcess, unharmed: Callable[[int], None], seed: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")]
    command += ["run", f"{victim.address}/jubako/v1/openapi.json", "--no-color", f"--seed={seed}"]
    command += [f"--max-time={SECONDS}", "--generation-database=none", "--warnings=off"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(HERE)}
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS + 90,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2_000:]
    cases = int(re.findall(r"([0-9]+) generated", ran.stdout)[-1])
    sys.stdout.write(f"seed {seed}: {cases} cases\n")
    assert cases > SECONDS
    unharmed(cases)
