"""Project ids and numbers. A number is taken wherever an id is; replies say the id."""

from collections.abc import Iterable

from jubako.core.errors import NotFound
from jubako.wire.addresses import project_number


def is_number(text: str) -> bool:
    """Return whether ``text`` is a project number; ids begin with a letter."""
    return text.isascii() and text.isdecimal()


def project_id(text: str, known: Iterable[str]) -> str:
    """Return the id of a project given by id or number; ``known`` are the ids that have anything.

    Raises:
        NotFound: No project that has anything has this number.

    """
    if not is_number(text):
        return text
    for project in known:
        if str(project_number(project)) == text:
            return project
    raise NotFound(f"Project number {text} is that of no project with resources here.")
