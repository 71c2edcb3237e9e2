"""The API's methods on services and revisions: one function each.

1. What comes by chance (uids, suffixes) is drawn before the transaction, because a transaction may run twice.
2. ``validate_only`` runs the same transaction and takes it back, so that it cannot promise what would not happen.
3. A request with an ``Idempotency-Key`` finds the operation of the first one, also after a restart.
4. Operations are done at once: a revision is recorded, and started by its first request, or at once if it is to take
   over from one that has served.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from jubako.boxes.services import deploying, instance_rows, rows, views
from jubako.boxes.services.deploying import Change
from jubako.boxes.services.instance_rows import Place
from jubako.boxes.services.resources import (
    CreateServiceRequest,
    DeleteRevisionRequest,
    DeleteServiceRequest,
    GetRevisionRequest,
    GetServiceRequest,
    ListRevisionsRequest,
    ListRevisionsResponse,
    ListServicesRequest,
    ListServicesResponse,
    Revision,
    Service,
    UpdateServiceRequest,
)
from jubako.boxes.services.rows import RevisionRow, ServiceKey, ServiceRow
from jubako.core import names
from jubako.core.errors import NotFound
from jubako.core.faults import Faults
from jubako.core.ids import IdSource
from jubako.core.limits import SERVICE_NAME_LENGTH_MAX
from jubako.identity import secret_variables
from jubako.identity.acting import Admit, everybody
from jubako.identity.secrets import SecretStore
from jubako.identity.volumes import Volumes
from jubako.runtime.bundles import Bundles
from jubako.store.port import Store, Tx
from jubako.store.rehearsal import write
from jubako.wire import idempotency, operations
from jubako.wire.codec import invalid
from jubako.wire.google_types import Operation
from jubako.wire.method import Caller, Handler, Read
from jubako.wire.paging import cut, page_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerPorts:
    """What the handlers stand on."""

    store: Store
    ids: IdSource
    faults: Faults
    admit: Admit = everybody
    """Who may have programs run as which account."""
    secrets: SecretStore
    base_url: str
    """Where this server is reached, such as ``http://127.0.0.1:8123``; for ``urls``."""
    bundles: Bundles = field(default_factory=Bundles)
    """What images mean."""


class ServiceHandlers:
    """``google.cloud.run.v2.Services`` and ``google.cloud.run.v2.Revisions``."""

    def __init__(self, ports: HandlerPorts) -> None:
        self._ports = ports
        self._store = ports.store
        self.get_service = Read(ports.store, self._get_service)
        self.get_revision = Read(ports.store, _get_revision)

    def methods(self) -> Mapping[str, Handler]:
        """Return the handlers by full method name."""
        package = "google.cloud.run.v2"
        return {
            f"{package}.Services.CreateService": self.create_service,
            f"{package}.Services.GetService": self.get_service,
            f"{package}.Services.ListServices": self.list_services,
            f"{package}.Services.UpdateService": self.update_service,
            f"{package}.Services.DeleteService": self.delete_service,
            f"{package}.Revisions.GetRevision": self.get_revision,
            f"{package}.Revisions.ListRevisions": self.list_revisions,
            f"{package}.Revisions.DeleteRevision": self.delete_revision,
        }

    async def create_service(self, request: CreateServiceRequest, caller: Caller) -> Operation:
        """Store a new service and its first revision."""
        parent = names.LOCATION.parse(request.parent, "parent")
        names.dns_label(request.service_id, "serviceId", SERVICE_NAME_LENGTH_MAX)
        key = ServiceKey(parent["project"], parent["location"], request.service_id)
        change = self._change(key, request.service, caller)
        await self._admit(request.service, key, caller)
        idem = idempotency.key_of(caller, "CreateService", str(key), request)
        await self._require_secrets(change, idem)

        def fn(tx: Tx) -> Operation:
            if (known := idempotency.find(tx, idem)) is not None:
                return operations.get(tx, known, {})
            operation = self._done(tx, deploying.create(tx, change), change)
            idempotency.remember(tx, idem, operation.name)
            return operation

        return await self._write(fn, is_rehearsal=request.validate_only)

    async def _admit(self, service: Service | None, key: ServiceKey, caller: Caller) -> None:
        """Return if the caller may have the service's instances run as its service account."""
        template = service.template if service else None
        if template is not None:
            await self._ports.admit(template.service_account, key.project, caller)

    def _get_service(self, tx: Tx, request: GetServiceRequest) -> Service:
        """Return the service."""
        return self._view(tx, rows.get_service(tx, ServiceKey(**names.SERVICE.parse(request.name))))

    async def list_services(self, request: ListServicesRequest, caller: Caller) -> ListServicesResponse:
        """Return a page of services, by name. Nothing is deleted softly, so ``show_deleted`` adds nothing."""
        del caller
        parent = names.LOCATION.parse(request.parent, "parent")
        page = page_of(request.page_size, request.page_token)

        def fn(tx: Tx) -> ListServicesResponse:
            found = rows.list_services(tx, parent["project"], parent["location"], page)
            shown, token = cut(found, page, lambda row: row.key.service)
            return ListServicesResponse(
                services=[self._view(tx, row) for row in shown], next_page_token=token
            )

        return await self._store.read(fn)

    async def update_service(self, request: UpdateServiceRequest, caller: Caller) -> Operation:
        """Change what the mask names (no mask: everything); a changed template is a new revision."""
        given = request.service
        if given is None:
            raise invalid("service", "is missing.")
        etag = given.etag
        key = ServiceKey(**names.SERVICE.parse(given.name, "service.name"))
        change = self._change(key, given, caller)
        await self._admit(given, key, caller)
        idem = idempotency.key_of(caller, "UpdateService", str(key), request)
        await self._require_secrets(change, idem)

        def fn(tx: Tx) -> Operation:
            if (known := idempotency.find(tx, idem)) is not None:
                return operations.get(tx, known, {})
            before = rows.find_service(tx, key) if request.allow_missing else rows.get_service(tx, key)
            if before is None:
                names.dns_label(key.service, "service.name", SERVICE_NAME_LENGTH_MAX)
                row = deploying.create(tx, change)
            else:
                deploying.check_etag(etag, before)
                row = deploying.update(tx, change, before, request.update_mask)
            operation = self._done(tx, row, change)
            idempotency.remember(tx, idem, operation.name)
            return operation

        return await self._write(fn, is_rehearsal=request.validate_only)

    async def delete_service(self, request: DeleteServiceRequest, caller: Caller) -> Operation:
        """Delete the service with its revisions; its instances are ended."""
        del caller
        key = ServiceKey(**names.SERVICE.parse(request.name))
        operation_id = self._ports.ids.uid()

        def fn(tx: Tx) -> Operation:
            row = rows.get_service(tx, key)
            deploying.check_etag(request.etag, row)
            resource = self._view(tx, row)
            resource.delete_time = tx.now
            rows.delete_service(tx, row.uid)
            return deploying.done(tx, key, operation_id, resource)

        return await self._write(fn, is_rehearsal=request.validate_only)

    async def delete_revision(self, request: DeleteRevisionRequest, caller: Caller) -> Operation:
        """Delete a revision that neither gets requests nor is the newest one; its instance is ended."""
        del caller
        key, name = _revision_of(request.name)
        operation_id = self._ports.ids.uid()

        def fn(tx: Tx) -> Operation:
            service = rows.get_service(tx, key)
            deleted = deploying.delete_revision(tx, service, _revision_row(tx, service, name), request.etag)
            return deploying.done(tx, key, operation_id, deleted)

        return await self._write(fn, is_rehearsal=request.validate_only)

    async def list_revisions(self, request: ListRevisionsRequest, caller: Caller) -> ListRevisionsResponse:
        """Return a page of revisions of one service, newest first."""
        del caller
        key = ServiceKey(**names.SERVICE.parse(request.parent, "parent"))
        page = page_of(request.page_size, request.page_token)

        def fn(tx: Tx) -> ListRevisionsResponse:
            service = rows.get_service(tx, key)
            shown, token = cut(rows.list_revisions(tx, service.uid, page), page, lambda row: str(row.serial))
            places = {row.revision: Place(service.uid, row.revision) for row in shown}
            found = [views.revision(key, row, instance_rows.find(tx, places[row.revision])) for row in shown]
            return ListRevisionsResponse(revisions=found, next_page_token=token)

        return await self._store.read(fn)

    async def _require_secrets(self, change: Change, idem: idempotency.Key | None) -> None:
        """Refuse a container with a secret that does not exist; a repeated request was accepted before."""
        template = change.given.template
        if template is None or not template.containers:
            return
        container, project = template.containers[0], change.key.project
        refs = {
            *secret_variables.refs_of(container, project).values(),
            *Volumes(template.volumes, container, project).refs(),
        }
        if refs and await self._store.read(lambda tx: idempotency.find(tx, idem)) is None:
            await secret_variables.require(self._ports.secrets, refs)

    def _change(self, key: ServiceKey, given: Service | None, caller: Caller) -> Change:
        if given is None:
            raise invalid("service", "is missing.")
        account = caller.principal.partition(":")[2] or caller.principal
        _pin(given, self._ports.bundles)
        return Change(key=key, given=given, account=account, draw=deploying.draw(self._ports.ids))

    def _view(self, tx: Tx, row: ServiceRow) -> Service:
        return deploying.view(tx, row, self._ports.base_url)

    def _done(self, tx: Tx, row: ServiceRow, change: Change) -> Operation:
        return deploying.done(tx, row.key, change.draw.operation_id, self._view(tx, row))

    async def _write(self, fn: Callable[[Tx], T], *, is_rehearsal: bool) -> T:
        result = await write(self._store, fn, is_rehearsal=is_rehearsal)
        if not is_rehearsal:
            self._ports.faults.point("services.change.after_commit")
        return result


def _pin(service: Service, bundles: Bundles) -> None:
    """Have a revision run what its image means now; one that means nothing is refused when it is to start."""
    for container in service.template.containers if service.template else ():
        container.image = bundles.pinned(container.image) or container.image


def _get_revision(tx: Tx, request: GetRevisionRequest) -> Revision:
    """Return the revision."""
    key, name = _revision_of(request.name)
    service = rows.get_service(tx, key)
    row = _revision_row(tx, service, name)
    return views.revision(key, row, instance_rows.find(tx, Place(service.uid, name)))


def _revision_of(name: str) -> tuple[ServiceKey, str]:
    values = dict(names.REVISION.parse(name))
    revision = values.pop("revision")
    return ServiceKey(**values), revision


def _revision_row(tx: Tx, service: ServiceRow, revision: str) -> RevisionRow:
    row = rows.find_revision(tx, service.uid, revision)
    if row is None:
        raise NotFound(f"Revision {views.revision_name(service.key, revision)!r} does not exist.")
    return row
