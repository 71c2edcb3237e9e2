"""Service accounts: their names, and the ones that are known.

An account comes into being when it is first used, with a notice: there is no local administrator to ask. What may be
done in its name is the business of access.py.
"""

import re
from dataclasses import dataclass

from jubako.core.errors import InvalidArgument
from jubako.core.timestamps import to_micros
from jubako.store.port import Tx
from jubako.wire.addresses import project_number

DEFAULT_DOMAIN = "@developer.gserviceaccount.com"
_DOMAIN = ".iam.gserviceaccount.com"
_EMAIL = re.compile(r"[A-Za-z0-9_.:+-]{1,128}@[A-Za-z0-9.:_-]{1,128}\Z")


@dataclass(frozen=True, slots=True, order=True)
class Home:
    """Where a program runs and as whom: what its metadata server tells it."""

    project: str
    location: str
    account: str
    """Email of the service account."""


def default_account(project: str) -> str:
    """Return the account of whatever names none. Source: Compute Engine default service account."""
    return f"{project_number(project)}-compute{DEFAULT_DOMAIN}"


def email_of(account: str, project: str, field: str = "serviceAccount") -> str:
    """Return the email of an account as APIs name it: empty, an email, a bare id, or ``projects/P/serviceAccounts/E``.

    Raises:
        InvalidArgument: It has none of these forms.

    """
    name = account.rpartition("/")[2] if account.startswith("projects/") else account
    if not name:
        return default_account(project)
    email = name if "@" in name else f"{name}@{project}{_DOMAIN}"
    if not _EMAIL.match(email):
        raise InvalidArgument(f"{field}: {account[:200]!r} is not the email of a service account.")
    return email


def project_of(email: str) -> str:
    """Return the project of a service account by its email; "" if the email does not say."""
    domain = email.partition("@")[2]
    return domain.removesuffix(_DOMAIN) if domain.endswith(_DOMAIN) else ""


def ensure(tx: Tx, email: str, display_name: str = "") -> bool:
    """Make the account if it is not known; return whether it was made now."""
    sql = (
        "INSERT INTO service_accounts (email, create_time, display_name) VALUES (?, ?, ?) "
        "ON CONFLICT (email) DO NOTHING"
    )
    return tx.run(sql, email, to_micros(tx.now), display_name) == 1


def display_name(tx: Tx, email: str) -> str | None:
    """Return an account's display name; None if there is no such account."""
    row = tx.one("SELECT display_name FROM service_accounts WHERE email = ?", email)
    return "" if row is None and email.endswith(DEFAULT_DOMAIN) else None if row is None else str(row[0])


def exists(tx: Tx, email: str) -> bool:
    """Return whether there is such an account; the default accounts of projects are always there."""
    return display_name(tx, email) is not None


def of_project(tx: Tx, project: str) -> list[tuple[str, str]]:
    """Return email and display name of a project's accounts."""
    default = default_account(project)
    rows = tx.all("SELECT email, display_name FROM service_accounts ORDER BY email")
    made = [(str(email), str(shown)) for email, shown in rows if project_of(email) == project]
    return [(default, "Default compute service account"), *made]


def delete(tx: Tx, email: str) -> None:
    """Forget an account and its keys."""
    tx.run("DELETE FROM service_accounts WHERE email = ?", email)
    tx.run("DELETE FROM service_account_keys WHERE email = ?", email)


def ports(tx: Tx) -> dict[Home, int]:
    """Return the metadata port of every home."""
    rows = tx.all("SELECT project, location, account, port FROM metadata_ports ORDER BY port")
    return {Home(project, location, account): port for project, location, account, port in rows}


def remember_port(tx: Tx, home: Home, port: int) -> None:
    """Remember at which port a home's metadata server listens: its programs hold the address."""
    tx.run(
        "INSERT INTO metadata_ports (project, location, account, port) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (project, location, account) DO UPDATE SET port = excluded.port",
        home.project,
        home.location,
        home.account,
        port,
    )
