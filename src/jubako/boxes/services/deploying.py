"""The transaction functions that make a service what a request says, and record a revision when that is due."""

from dataclasses import dataclass, replace

from jubako.boxes.services import addresses, changes, checks, instance_rows, rows, states, views
from jubako.boxes.services.instance_rows import Place
from jubako.boxes.services.resources import Revision, Service
from jubako.boxes.services.rows import RevisionRow, ServiceKey, ServiceRow
from jubako.core.errors import Aborted, FailedPrecondition
from jubako.core.ids import IdSource
from jubako.store.port import Tx
from jubako.wire import codec, operations
from jubako.wire.google_types import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What comes by chance, drawn before the transaction, because that may run twice."""

    service_uid: str
    revision_uid: str
    revision_suffix: str
    operation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One accepted request to create or update a service."""

    key: ServiceKey
    given: Service
    account: str
    draw: Draw


def draw(ids: IdSource) -> Draw:
    """Return fresh ids for one request."""
    return Draw(
        service_uid=ids.uid(),
        revision_uid=ids.uid(),
        revision_suffix=ids.suffix(states.SUFFIX_LENGTH),
        operation_id=ids.uid(),
    )


def create(tx: Tx, change: Change) -> ServiceRow:
    """Store a new service with its first revision.

    Raises:
        InvalidArgument: A field is wrong.
        Unimplemented: A field cannot be honoured.
        AlreadyExists: There is a service of this name.

    """
    service = _checked(change.key, changes.settable(change.given))
    service.creator = service.last_modifier = change.account
    row = ServiceRow(
        key=change.key,
        uid=change.draw.service_uid,
        generation=1,
        created_us=rows.now_us(tx),
        updated_us=rows.now_us(tx),
        host=addresses.host_of(change.key),
        revision_count=1,
        latest_revision=_revision_name(change, service, 1),
        document=codec.encode(service).decode(),
    )
    rows.insert_service(tx, row)
    _insert_revision(tx, row, service, change)
    return row


def update(tx: Tx, change: Change, before: ServiceRow, mask: tuple[str, ...] | None) -> ServiceRow:
    """Store what a service becomes, with a new revision if its template changed. Raises as ``create`` does."""
    current = codec.decode(Service, before.document)
    service = _checked(change.key, changes.merge(current, change.given, mask))
    service.creator, service.last_modifier = current.creator, change.account
    row = replace(
        before,
        generation=before.generation + 1,
        updated_us=rows.now_us(tx),
        document=codec.encode(service).decode(),
    )
    if changes.needs_revision(current, service, before.latest_revision):
        serial = before.revision_count + 1
        row = replace(row, revision_count=serial, latest_revision=_revision_name(change, service, serial))
        _insert_revision(tx, row, service, change)
    rows.update_service(tx, row)
    return row


def view(tx: Tx, row: ServiceRow, base_url: str) -> Service:
    """Return the service as the API gives it."""
    return views.service(row, instance_rows.find(tx, Place(row.uid, row.latest_revision)), base_url)


def delete_revision(tx: Tx, service: ServiceRow, row: RevisionRow, etag: str) -> Revision:
    """Delete a revision, and return it as it was.

    Raises:
        Aborted: ``etag`` is not the revision's.
        FailedPrecondition: It gets requests, or is the newest one.

    """
    resource = views.revision(service.key, row, instance_rows.find(tx, Place(service.uid, row.revision)))
    if etag and etag != resource.etag:
        raise Aborted(f"Revision {resource.name!r} has another etag than {etag}.")
    if row.revision in {service.latest_revision, service.serving_revision}:
        raise FailedPrecondition(
            f"Revision {resource.name!r} is the newest one or gets the requests of its service: "
            "deploy another one first, or delete the service."
        )
    rows.delete_revision(tx, row)
    resource.delete_time = tx.now
    return resource


def done(tx: Tx, key: ServiceKey, operation_id: str, resource: Service | Revision) -> Operation:
    """Record an operation that is done at once, and return it."""
    name = f"projects/{key.project}/locations/{key.location}/operations/{operation_id}"
    start = operations.Start(name=name, api="run", metadata=resource, target=str(key))
    operations.start(tx, start)
    operations.finish(tx, name, resource)
    return operations.get(tx, name, {})


def check_etag(given: str, row: ServiceRow) -> None:
    """Raise Aborted if ``given`` is the etag of another state of the service; "" fits every state."""
    if given and given != views.service_etag(row):
        raise Aborted(
            f"Service {str(row.key)!r} was changed meanwhile: etag {given} is not its etag any more."
        )


def _checked(key: ServiceKey, service: Service) -> Service:
    checks.service(key.service, service)
    return changes.with_defaults(service)


def _revision_name(change: Change, service: Service, serial: int) -> str:
    assert service.template is not None, change.key
    generated = states.revision_name(change.key.service, serial, change.draw.revision_suffix)
    return service.template.revision or generated


def _insert_revision(tx: Tx, row: ServiceRow, service: Service, change: Change) -> None:
    template = service.template
    assert template is not None, row.key
    assert template.timeout is not None, row.key
    revision = changes.revision_of(row.key.service, template)
    revision.creator = change.account
    rows.insert_revision(
        tx,
        RevisionRow(
            service_uid=row.uid,
            revision=row.latest_revision,
            serial=row.revision_count,
            uid=change.draw.revision_uid,
            created_us=rows.now_us(tx),
            request_timeout_us=int(template.timeout.total_seconds() * 1_000_000),
            document=codec.encode(revision).decode(),
        ),
    )
