"""Small durable facts by name: the journal position, the install's id, remembered ports."""

from jubako.store.port import Tx


def get(tx: Tx, name: str) -> str | None:
    """Return the fact ``name``, or None."""
    row = tx.one("SELECT value FROM facts WHERE name = ?", name)
    return None if row is None else str(row[0])


def put(tx: Tx, name: str, value: str) -> None:
    """Remember ``value`` as the fact ``name``."""
    tx.run(
        "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        value,
    )
