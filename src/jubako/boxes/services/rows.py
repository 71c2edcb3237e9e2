"""What is stored of services and revisions, and the transaction functions that move it.

1. Documents are JSON in the API's own form and hold what does not change by itself; what moves has columns. ``views``
   puts both together.
2. A revision's rows hang on its service's uid, which names one project and location for ever; a service that is
   deleted and made again shares nothing with its predecessor.
3. Instances are in ``instance_rows``; they outlive their service until their process is gone.
"""

from dataclasses import dataclass

from jubako.core.errors import AlreadyExists, NotFound
from jubako.core.names import SERVICE
from jubako.core.timestamps import to_micros
from jubako.store.port import Row, Tx
from jubako.wire.paging import Page

TOPIC = "services"
"""Woken when the engine may have something to do."""


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """Names one service."""

    project: str
    location: str
    service: str

    def __str__(self) -> str:
        return SERVICE.format(project=self.project, location=self.location, service=self.service)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """One stored service. Instants are microseconds since the epoch."""

    key: ServiceKey
    uid: str
    generation: int
    created_us: int
    updated_us: int
    host: str
    """Its ``run.app`` name."""
    revision_count: int
    """How many revisions were ever made: numbers the next one."""
    latest_revision: str
    """Short name of the newest revision."""
    document: str
    serving_revision: str = ""
    """Short name of the newest revision that ever listened; "" = none did. See ``instance_rows``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRow:
    """One stored revision; it never changes."""

    service_uid: str
    revision: str
    """Short name, such as ``telop-00001-x7q``."""
    serial: int
    uid: str
    created_us: int
    request_timeout_us: int
    document: str


_SELECT_SERVICE = (
    "SELECT project, location, service, uid, generation, created, updated, host, revision_count, latest_revision, "
    "document, serving_revision FROM services"
)
_SELECT_REVISION = (
    "SELECT service_uid, revision, serial, uid, created, request_timeout, document FROM service_revisions"
)


def topic_of(service_uid: str) -> str:
    """Return the store topic that is woken when the service or one of its instances changes."""
    return f"service:{service_uid}"


def insert_service(tx: Tx, service: ServiceRow) -> None:
    """Store a new service.

    Raises:
        AlreadyExists: There is a service of this name.

    """
    key = service.key
    inserted = tx.run(
        "INSERT INTO services (project, location, service, uid, generation, created, updated, host, revision_count, "
        "latest_revision, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (project, location, service) DO NOTHING",
        key.project, key.location, key.service, service.uid, service.generation, service.created_us,
        service.updated_us, service.host, service.revision_count, service.latest_revision, service.document,
    )  # fmt: skip
    if not inserted:
        raise AlreadyExists(f"Service {str(key)!r} already exists.")


def find_service(tx: Tx, key: ServiceKey) -> ServiceRow | None:
    """Return the service, or None."""
    row = tx.one(
        f"{_SELECT_SERVICE} WHERE project = ? AND location = ? AND service = ?",
        key.project, key.location, key.service,
    )  # fmt: skip
    return None if row is None else _service(row)


def get_service(tx: Tx, key: ServiceKey) -> ServiceRow:
    """Return the service.

    Raises:
        NotFound: There is none.

    """
    row = find_service(tx, key)
    if row is None:
        raise NotFound(f"Service {str(key)!r} does not exist.")
    return row


def find_host(tx: Tx, host: str) -> ServiceKey | None:
    """Return the service that has the ``run.app`` name ``host``, or None."""
    row = tx.one(
        "SELECT project, location, service FROM services WHERE host = ? ORDER BY created LIMIT 1", host
    )
    return None if row is None else ServiceKey(*row)


def service_uids(tx: Tx) -> set[str]:
    """Return the uids of all services."""
    return {str(uid) for (uid,) in tx.all("SELECT uid FROM services")}


def list_services(tx: Tx, project: str, location: str, page: Page) -> list[ServiceRow]:
    """Return services by name; one more than asked for if there are more."""
    rows = tx.all(
        f"{_SELECT_SERVICE} WHERE project = ? AND location = ? AND service > ? ORDER BY service LIMIT ?",
        project, location, page.after, page.size + 1,
    )  # fmt: skip
    return [_service(row) for row in rows]


def update_service(tx: Tx, service: ServiceRow) -> None:
    """Store generation, update time, revisions and document as they now are, and tell whoever watches."""
    tx.run(
        "UPDATE services SET generation = ?, updated = ?, revision_count = ?, latest_revision = ?, document = ? "
        "WHERE uid = ?",
        service.generation, service.updated_us, service.revision_count, service.latest_revision, service.document,
        service.uid,
    )  # fmt: skip
    _tell(tx, service.uid)


def delete_service(tx: Tx, uid: str) -> None:
    """Delete a service with its revisions and idle instances; the engine ends the others."""
    tx.run("DELETE FROM service_instances WHERE service_uid = ? AND state = 'idle'", uid)
    tx.run("DELETE FROM service_revisions WHERE service_uid = ?", uid)
    tx.run("DELETE FROM services WHERE uid = ?", uid)
    _tell(tx, uid)


def delete_revision(tx: Tx, revision: RevisionRow) -> None:
    """Delete a revision that gets no requests; the engine ends its instance.

    The instance's row stays until the service goes: no attempt's id is ever given twice.
    """
    tx.run(
        "DELETE FROM service_revisions WHERE service_uid = ? AND revision = ?",
        revision.service_uid, revision.revision,
    )  # fmt: skip
    _tell(tx, revision.service_uid)


def insert_revision(tx: Tx, revision: RevisionRow) -> None:
    """Store a new revision.

    Raises:
        AlreadyExists: The service has a revision of this name.

    """
    inserted = tx.run(
        "INSERT INTO service_revisions (service_uid, revision, serial, uid, created, request_timeout, document) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service_uid, revision) DO NOTHING",
        revision.service_uid, revision.revision, revision.serial, revision.uid, revision.created_us,
        revision.request_timeout_us, revision.document,
    )  # fmt: skip
    if not inserted:
        raise AlreadyExists(f"Revision {revision.revision!r} already exists.")


def find_key(tx: Tx, uid: str) -> ServiceKey | None:
    """Return the name of the service with this uid, or None."""
    row = tx.one("SELECT project, location, service FROM services WHERE uid = ?", uid)
    return None if row is None else ServiceKey(*row)


def find_revision(tx: Tx, service_uid: str, revision: str) -> RevisionRow | None:
    """Return the revision, or None."""
    row = tx.one(f"{_SELECT_REVISION} WHERE service_uid = ? AND revision = ?", service_uid, revision)
    return None if row is None else _revision(row)


def list_revisions(tx: Tx, service_uid: str, page: Page) -> list[RevisionRow]:
    """Return revisions, newest first; a page's key is the serial; one more than asked for if there are more."""
    rows = tx.all(
        f"{_SELECT_REVISION} WHERE service_uid = ? AND serial < ? ORDER BY serial DESC LIMIT ?",
        service_uid, int(page.after) if page.after.isdecimal() else 2**62, page.size + 1,
    )  # fmt: skip
    return [_revision(row) for row in rows]


def now_us(tx: Tx) -> int:
    """Return the transaction's instant as stored."""
    return to_micros(tx.now)


def _tell(tx: Tx, uid: str) -> None:
    tx.wake(topic_of(uid))
    tx.wake(TOPIC)


def _service(row: Row) -> ServiceRow:
    return ServiceRow(
        key=ServiceKey(*row[0:3]),
        uid=row[3],
        generation=row[4],
        created_us=row[5],
        updated_us=row[6],
        host=row[7],
        revision_count=row[8],
        latest_revision=row[9],
        document=row[10],
        serving_revision=row[11],
    )


def _revision(row: Row) -> RevisionRow:
    return RevisionRow(
        service_uid=row[0],
        revision=row[1],
        serial=row[2],
        uid=row[3],
        created_us=row[4],
        request_timeout_us=row[5],
        document=row[6],
    )
