"""Keeps the output of instances within bounds: a crash loop and deleted services must not fill the disk."""

import shutil
from collections.abc import Collection
from pathlib import Path

from jubako.boxes.services.instance_rows import Place

ATTEMPTS_KEPT = 5
"""Of each instance: the output of its newest attempts."""


def prune(root: str, place: Place, attempt: int) -> None:
    """Remove the output of attempts that are older than the last few before ``attempt``; never raises."""
    oldest = attempt - ATTEMPTS_KEPT + 1
    for folder in _folders(Path(root) / place.service_uid / place.revision):
        number, _, made_by = folder.name.partition("-")
        if number == str(place.number) and made_by.isdecimal() and int(made_by) < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(root: str, service_uids: Collection[str]) -> None:
    """Remove the output of all services but these; never raises."""
    for folder in _folders(Path(root)):
        if folder.name not in service_uids:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(parent: Path) -> list[Path]:
    try:
        return [folder for folder in parent.iterdir() if folder.is_dir()]
    except OSError:  # it was never made, or cannot be read: then nothing can be removed either
        return []
