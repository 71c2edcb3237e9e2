"""Key files of service accounts: the public half is kept, the private half is given away once.

Source: cloud.google.com/iam/docs/keys-create-delete, the JSON key file.
"""

from jubako.core.timestamps import to_micros
from jubako.identity import accounts
from jubako.identity.keys import SigningKey, new_key, pem_of
from jubako.identity.tokens import unique_id
from jubako.store.port import Tx


def make(email: str, project: str) -> tuple[SigningKey, dict[str, str]]:
    """Return a fresh key and the content of its key file."""
    pem = pem_of(new_key())
    key = SigningKey.from_pem(pem)
    return key, {
        "type": "service_account",
        "project_id": project,
        "private_key_id": key.id,
        "private_key": pem.decode("ascii"),
        "client_email": email,
        "client_id": unique_id(email),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }


def insert(tx: Tx, email: str, key: SigningKey) -> None:
    """Remember the public half of a key, and its account."""
    accounts.ensure(tx, email)
    tx.run(
        "INSERT INTO service_account_keys (key_id, email, public_key, create_time) VALUES (?, ?, ?, ?)",
        key.id,
        email,
        key.public_pem().decode("ascii"),
        to_micros(tx.now),
    )


def find(tx: Tx, key_id: str) -> tuple[str, bytes] | None:
    """Return email and public PEM of a key, or None."""
    row = tx.one("SELECT email, public_key FROM service_account_keys WHERE key_id = ?", key_id)
    return None if row is None else (row[0], row[1].encode("ascii"))


def of_account(tx: Tx, email: str) -> list[tuple[str, int]]:
    """Return id and time (microseconds) of the keys of an account."""
    sql = "SELECT key_id, create_time FROM service_account_keys WHERE email = ? ORDER BY create_time"
    return [(str(row[0]), int(row[1])) for row in tx.all(sql, email)]


def delete(tx: Tx, email: str, key_id: str) -> bool:
    """Forget a key; return whether there was one."""
    return tx.run("DELETE FROM service_account_keys WHERE email = ? AND key_id = ?", email, key_id) == 1
