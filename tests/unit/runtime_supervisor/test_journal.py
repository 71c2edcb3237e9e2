"""The supervisor's journal: positions, generations, torn lines, a full disk."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jubako.runtime.supervisor.journal import Journal
from jubako.runtime.supervisor.protocol import encode


def opened(folder: Path, generation_bytes_max: int = 1 << 20) -> Journal:
    journal = Journal(folder, "boot", generation_bytes_max)
    journal.load()
    journal.begin()
    return journal


def end(attempt_id: str) -> bytes:
    return encode({"k": "end", "id": attempt_id, "t": 1, "r": "exited", "c": 0})


def append(journal: Journal, *ids: str) -> None:
    for attempt_id in ids:
        journal.append(end(attempt_id))
        journal.note_ended(attempt_id)
    journal.flush()


def follow(journal: Journal, position: str, bytes_max: int = 1 << 20) -> tuple[list[Mapping[str, Any]], str]:
    """Return all records from ``position`` on but the heads, and the position behind them."""
    records: list[Mapping[str, Any]] = []
    while True:
        generation, offset, data = journal.read(position, bytes_max)
        if not data:
            return records, position
        position = f"{generation}:{offset + len(data)}"
        records += [record for line in data.splitlines() if (record := json.loads(line))["k"] != "head"]


def ids(journal: Journal, position: str = "", bytes_max: int = 1 << 20) -> list[str]:
    return [record["id"] for record in follow(journal, position, bytes_max)[0]]


def test_what_was_appended_is_read_from_any_position_on(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    append(journal, "a", "b")
    middle = journal.end
    append(journal, "c")
    assert ids(journal) == ["a", "b", "c"]
    assert ids(journal, middle) == ["c"]
    assert ids(journal, journal.end) == []


@pytest.mark.parametrize("bytes_max", [1, 50, 100, 1000])
def test_lines_are_never_cut_however_small_the_reads(tmp_path: Path, bytes_max: int) -> None:
    journal = opened(tmp_path)
    names = ["x" * length for length in (1, 30, 400, 7)]
    append(journal, *names)
    assert ids(journal, "", bytes_max) == names


def test_nothing_is_readable_before_it_is_written(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(end("a"))
    assert not journal.is_clean()
    assert ids(journal) == []
    journal.flush()
    assert journal.is_clean()
    assert ids(journal) == ["a"]


def test_the_next_supervisor_reads_on_and_begins_a_generation(tmp_path: Path) -> None:
    first = opened(tmp_path)
    append(first, "a")
    position = first.end
    append(first, "b")
    first.close()
    second = opened(tmp_path)
    append(second, "c")
    assert ids(second) == ["a", "b", "c"]
    assert ids(second, position) == ["b", "c"]
    assert second.has_ended("a")
    assert not second.has_ended("d")


def test_a_torn_last_line_is_cut_off_by_the_next_supervisor(tmp_path: Path) -> None:
    first = opened(tmp_path)
    append(first, "a")
    first.close()
    [path] = tmp_path.glob("journal-*")
    with path.open("ab") as file:
        file.write(end("b")[:-5])
    second = opened(tmp_path)
    append(second, "c")
    assert ids(second) == ["a", "c"]


def test_what_was_left_open_is_told_with_all_that_is_known_of_its_process(tmp_path: Path) -> None:
    first = opened(tmp_path)
    for attempt_id, number in (("a", 1), ("b", 2), ("c", 3)):
        first.append(encode({"k": "try", "id": attempt_id, "b": number}))
    first.append(encode({"k": "start", "id": "b", "t": 0, "pid": 20, "b": 22}))
    first.append(encode({"k": "start", "id": "c", "t": 0, "pid": 30, "b": 33}))
    append(first, "c")
    first.close()
    second = Journal(tmp_path, "boot")
    second.load()
    assert set(second.open) == {"a", "b"}
    assert second.open["a"].pid == 0
    found = second.open["b"]
    assert (found.pid, found.announced_us, found.started_us, found.boot) == (20, 2, 22, "boot")


def test_a_long_generation_is_followed_by_one_that_knows_what_is_live(tmp_path: Path) -> None:
    journal = opened(tmp_path, generation_bytes_max=200)
    append(journal, "a", "b", "c", "d")
    before = journal.end
    assert journal.is_long()
    journal.begin([{"k": "live", "id": "e", "pid": 50, "b": [5, 55]}])
    assert not journal.is_long()
    append(journal, "f")
    records, _ = follow(journal, before)
    assert [(record["k"], record["id"]) for record in records] == [("live", "e"), ("end", "f")]
    journal.acknowledge(journal.end)
    journal.close()
    successor = Journal(tmp_path, "boot")
    successor.load()
    assert successor.open["e"].pid == 50


def test_acknowledged_generations_are_deleted_but_the_last_two(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    positions = []
    for attempt_id in "abcd":
        append(journal, attempt_id)
        positions.append(journal.end)
        journal.begin()
    assert len(list(tmp_path.glob("journal-*"))) == 5
    journal.acknowledge(positions[2])
    assert ids(journal) == ["c", "d"]
    journal.acknowledge(journal.end)
    assert len(list(tmp_path.glob("journal-*"))) == 2
    assert journal.has_ended("d")
    assert not journal.has_ended("a")


@pytest.mark.parametrize("position", ["", "nonsense", "00000001-ffffffff:12", "9:9", ":5", "00000001:x"])
def test_a_position_of_another_journal_means_the_beginning(tmp_path: Path, position: str) -> None:
    journal = opened(tmp_path)
    append(journal, "a")
    assert ids(journal, position) == ["a"]


def test_a_position_behind_the_end_means_the_beginning(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    append(journal, "a")
    generation, _, offset = journal.end.partition(":")
    assert ids(journal, f"{generation}:{int(offset) + 1}") == ["a"]


def test_lines_wait_while_the_disk_is_full(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    append(journal, "a")
    kept = os.dup(journal._fd)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._fd)
    append(journal, "b")
    assert not journal.is_clean()
    assert ids(journal) == ["a"]
    os.dup2(kept, journal._fd)
    os.close(kept)
    os.close(full)
    append(journal, "c")
    assert journal.is_clean()
    assert ids(journal) == ["a", "b", "c"]


def test_half_a_line_on_a_full_disk_is_not_read_before_the_rest_came(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    append(journal, "a")
    line = end("b")
    journal._rest = line  # what a first flush would have left, had the disk taken the first ten bytes
    os.write(journal._fd, line[:10])
    journal._rest, journal._torn = line[10:], 10
    journal._generations[-1].size += 10
    assert ids(journal) == ["a"]
    append(journal, "c")
    assert ids(journal) == ["a", "b", "c"]
