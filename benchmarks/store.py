"""Durable transactions per second: one caller, many callers, and the disk's own rate, in one run.

Usage: python benchmarks/store.py [--seconds 2]
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

from jubako.runtime.system import SystemClock
from jubako.store.migrations import Migration
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore

SCHEMA = [Migration("bench", 1, "CREATE TABLE items (key TEXT PRIMARY KEY, value BIGINT NOT NULL);\n")]


def touch(tx: Tx) -> None:
    tx.run("INSERT INTO items VALUES ('n', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1")


def disk_rate(folder: Path, seconds: float) -> float:
    """Return appends of 4 KiB with fdatasync per second: what the disk gives to one writer."""
    descriptor = os.open(folder / "probe", os.O_WRONLY | os.O_CREAT, 0o600)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        os.write(descriptor, b"x" * 4096)
        os.fdatasync(descriptor)
        count += 1
    os.close(descriptor)
    return count / (time.perf_counter() - began)


async def store_rate(store: SqliteStore, callers: int, seconds: float) -> float:
    began, count = time.perf_counter(), 0

    async def one() -> None:
        nonlocal count
        while time.perf_counter() - began < seconds:
            await store.write(touch)
            count += 1

    await asyncio.gather(*(one() for _ in range(callers)))
    return count / (time.perf_counter() - began)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(dir=".") as folder:
        disk = disk_rate(Path(folder), seconds)
        print(f"{'disk, fdatasync of 4 KiB':34} {disk:10,.0f} /s   1.00")
        store = SqliteStore(Path(folder) / "state.db", SystemClock(), SCHEMA)
        for callers in (1, 10, 100, 1000):
            rate = await store_rate(store, callers, seconds)
            print(f"{f'durable transactions, {callers} callers':34} {rate:10,.0f} /s {rate / disk:6.2f}")
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
