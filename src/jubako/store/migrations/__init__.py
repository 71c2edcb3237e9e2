"""Numbered migrations: each room ships its own ``migrations/NNNN_name.sql``; the store applies what is missing.

1. A migration runs once, in a transaction of its own with the row that records it.
2. A database that knows more than this program is refused: an older program would misread it.
3. ``{{serial}}`` stands for the database's own ascending key column; all other SQL is the shared part.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from jubako.core.errors import FailedPrecondition

VERSIONS_TABLE = "CREATE TABLE IF NOT EXISTS schema_versions (room TEXT PRIMARY KEY, version BIGINT NOT NULL)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of one room's schema."""

    room: str
    version: int
    sql: str

    def statements(self, serial: str) -> Iterator[str]:
        """Yield the statements with the database's own words put in."""
        for statement in self.sql.replace("{{serial}}", serial).split(";\n"):
            if statement.strip():
                yield statement


def load(*packages: str) -> list[Migration]:
    """Return the migrations of each package (its room is its dotted name without ``jubako.``), in order."""
    found = []
    for package in packages:
        folder = resources.files(package) / "migrations"
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if file.name.endswith(".sql"):
                room = package.removeprefix("jubako.")
                found.append(Migration(room, int(file.name[:4]), file.read_text("utf-8")))
    return found


def missing(known: Sequence[Migration], applied: Iterable[tuple[str, int]]) -> list[Migration]:
    """Return what is still to apply.

    Raises:
        FailedPrecondition: The database was written by a newer program.

    """
    have = dict(applied)
    newest = {migration.room: migration.version for migration in known}
    for room, version in have.items():
        if version > newest.get(room, 0):
            raise FailedPrecondition(
                f"The state was written by a newer Jubako ({room} has version {version}, this program knows "
                f"{newest.get(room, 0)}). Use that version, or another state directory."
            )
    return [migration for migration in known if migration.version > have.get(migration.room, 0)]
