"""A reception's later lives: run again after it has ended, and removed with all its data.

Each step may be cut off by a crash and be done again:

* A rerun is numbered by creating ``runs/0002.json``; then what ended the reception is taken away, ``outcome.json``
  last. Until that is gone the reception has ended as before, and asking again makes the next number.
* A removal is written down first (``removed.json``); whoever looks at the reception next goes on with it. The record
  goes last, so what is half removed is still found.
"""

import hashlib
from pathlib import PurePosixPath

from jubako_apps.telop import receptions
from jubako_apps.telop.receptions import Reception
from jubako_sdk import ObjectNotFound, Sink, put_json

WEBHOOKS = "webhooks/"


def run_number(sink: Sink, reception: str) -> int:
    """Return how many times the reception has been started, 1 at first."""
    return 1 + sum(1 for _ in sink.list(_runs(reception)))


def again(sink: Sink, reception: Reception) -> bool:
    """Let a reception that has ended start anew, with the results that it has; False if it has not ended.

    What succeeded completely stays as it is too: there is nothing to do again.
    """
    outcome = receptions.outcome_of(sink, reception.id)
    if outcome is None or is_removed(sink, reception.id):
        return False
    if outcome["state"] == "SUCCEEDED" and not receptions.missing(sink, reception):
        return False
    put_json(sink, f"{_runs(reception.id)}{run_number(sink, reception.id) + 1:04d}.json", {}, if_absent=True)
    home = receptions.home(reception.id)
    for name in [*sink.list(f"{home}errors/"), *_ended(home)]:
        sink.delete(name)
    return True


def remove(sink: Sink, reception: str) -> None:
    """Remember that everything of the reception is to go."""
    put_json(sink, receptions.home(reception) + "removed.json", {}, if_absent=True)
    receptions.cancel(sink, reception)


def is_removed(sink: Sink, reception: str) -> bool:
    """Say whether `remove` was called."""
    return sink.exists(receptions.home(reception) + "removed.json")


def purge(sink: Sink, reception: Reception) -> None:
    """Delete all objects of a reception whose run has ended, and the script and lists as they were uploaded for it."""
    for name in _originals(sink, reception):
        sink.delete(name)
    sink.delete(f"{WEBHOOKS}{reception.id}.json")
    home = receptions.home(reception.id)
    last = [f"{home}removed.json", f"{home}reception.json"]
    for name in [*(name for name in sink.list(home) if name not in last), *last]:
        sink.delete(name)
    # Whoever has looked at it meanwhile may have written down how it ended: see `Desk`, which looks once more too.
    for name in list(sink.list(home)):
        sink.delete(name)


def _ended(home: str) -> list[str]:
    names = (
        "report.html",
        "report.json",
        "telops.json",
        "speech/transcript.json",
        "cancelled.json",
        "outcome.json",
    )
    return [home + name for name in names]


def _runs(reception: str) -> str:
    return f"{receptions.home(reception)}runs/"


def _originals(sink: Sink, reception: Reception) -> list[str]:
    """Return the names under which the attached files were uploaded; they are named by their content."""
    found = []
    for folder, name in (
        ("scripts", reception.script),
        ("lists", reception.glossary),
        ("lists", reception.ng_words),
    ):
        if name is not None:
            try:
                digest = hashlib.sha256(sink.get(name)).hexdigest()[:32]
            except ObjectNotFound:  # a purge before this one came so far
                continue
            found.append(f"{folder}/{folder[0]}-{digest}{PurePosixPath(name).suffix}")
    return found
