"""What the store acknowledged is there after kill -9, and nothing is half there."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jubako.store.migrations import Migration
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock

PAIRS = [Migration("test", 1, "CREATE TABLE pairs (number BIGINT PRIMARY KEY, half TEXT NOT NULL);\n")]
WRITER = """
import asyncio, sys
from functools import partial
from pathlib import Path
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from tests_schema import PAIRS

def pair(tx, number):
    tx.run("INSERT INTO pairs VALUES (?, 'a')", 2 * number)
    tx.run("INSERT INTO pairs VALUES (?, 'b')", 2 * number + 1)

async def writer(store, first, step):
    number = first
    while True:
        await store.write(partial(pair, number=number))
        print(number, flush=True)
        number += step

async def main():
    store = SqliteStore(Path(sys.argv[1]), FakeClock(), PAIRS)
    first = int(sys.argv[2])
    await asyncio.gather(*(writer(store, first + lane, 8) for lane in range(8)))

asyncio.run(main())
"""


@pytest.mark.slow
def test_kill_9_loses_nothing_acknowledged_and_keeps_no_half(tmp_path: Path) -> None:
    (tmp_path / "tests_schema.py").write_text(
        f"from jubako.store.migrations import Migration\nPAIRS = [Migration('test', 1, {PAIRS[0].sql!r})]\n"
    )
    database, acknowledged = tmp_path / "state.db", set()
    for round_ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(database), str(1_000_000 * round_)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )
        assert process.stdout is not None
        for _ in range(40 + 17 * round_):
            acknowledged.add(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        # The last line may have been cut short by the kill.
        acknowledged |= {int(line) for line in process.stdout.read().split("\n")[:-1]}
        process.wait()
        process.stdout.close()
    numbers = asyncio.run(_numbers(database))
    assert {number // 2 for number in numbers} >= acknowledged
    assert all(number ^ 1 in numbers for number in numbers)


async def _numbers(database: Path) -> set[int]:
    store = SqliteStore(database, FakeClock(), PAIRS)

    def read(tx: Tx) -> set[int]:
        assert tx.one("PRAGMA integrity_check") == ("ok",)
        return {row[0] for row in tx.all("SELECT number FROM pairs")}

    numbers = await store.read(read)
    await store.close()
    return numbers
