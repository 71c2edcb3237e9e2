"""Cloud Run v1, services part, as gcloud calls it: services and revisions as Kubernetes-shaped documents.

Paths: ``/apis/serving.knative.dev/v1/namespaces/PROJECT/{services,revisions}[/NAME]``. As in the jobs part every route
translates, calls the v2 method, and translates back. A revision is named with its service: NAME-NNNNN-xxx.
"""

from collections.abc import Callable
from dataclasses import replace

from jubako.boxes.services import krm as documents
from jubako.boxes.services.handlers import HandlerPorts, ServiceHandlers
from jubako.boxes.services.resources import (
    CreateServiceRequest,
    DeleteRevisionRequest,
    DeleteServiceRequest,
    GetRevisionRequest,
    GetServiceRequest,
    ListRevisionsRequest,
    ListServicesRequest,
    Revision,
    Service,
    UpdateServiceRequest,
)
from jubako.core.errors import InvalidArgument, NotFound
from jubako.store.port import Store, Tx
from jubako.wire import codec, krm
from jubako.wire.codec import invalid
from jubako.wire.method import (
    Caller,
    Document,
    DocumentHandler,
    DocumentRequest,
    DocumentRoute,
    document_routes,
)
from jubako.wire.projects import is_number, project_id

_BASE = "/apis/serving.knative.dev/v1/namespaces/{namespace}"


class KrmRoutes:
    """Serves the routes above."""

    def __init__(self, ports: HandlerPorts) -> None:
        self._store: Store = ports.store
        self._services = ServiceHandlers(ports)

    def routes(self) -> list[DocumentRoute]:
        """Return the routes."""
        one = f"{_BASE}/services/{{name}}"
        table: list[tuple[str, str, str, DocumentHandler]] = [
            ("GET", f"{_BASE}/services", "run.services.list", self.list_services),
            # gcloud lists the services of all regions here, in the same documents.
            (
                "GET",
                "/v1/projects/{namespace}/locations/{location}/services",
                "run.services.list",
                self.list_at,
            ),
            ("POST", f"{_BASE}/services", "run.services.create", self.create_service),
            ("GET", one, "run.services.get", self.get_service),
            ("PUT", one, "run.services.update", self.replace_service),
            ("DELETE", one, "run.services.delete", self.delete_service),
            ("GET", f"{_BASE}/revisions", "run.revisions.list", self.list_revisions),
            ("GET", f"{_BASE}/revisions/{{name}}", "run.revisions.get", self.get_revision),
            ("DELETE", f"{_BASE}/revisions/{{name}}", "run.revisions.delete", self.delete_revision),
        ]
        return document_routes(table)

    async def list_services(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return services; without a region those of all, in one page."""
        project, listing = await self._project(request), krm.listing(request)
        places = [request.location] if request.location else await self._places(project, "")
        items, token = [], ""
        for place in places:
            size, after = (listing.size, listing.token) if request.location else (0, "")
            parent = f"projects/{project}/locations/{place}"
            page = await self._services.list_services(
                ListServicesRequest(parent=parent, page_size=size, page_token=after), caller
            )
            items += [documents.service(one) for one in page.services]
            token = page.next_page_token
        kept = [item for item in items if listing.wants(item["metadata"]["labels"])]
        return krm.resource_list("Service", documents.VERSION, kept, token if request.location else "")

    async def list_at(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return the services of a location; ``-`` stands for all."""
        location = request.variables["location"]
        return await self.list_services(
            replace(request, location=None if location == "-" else location), caller
        )

    async def create_service(self, request: DocumentRequest, caller: Caller) -> Document:
        """Create a service."""
        service, given = documents.read_service(request.body)
        location = request.location or given.location
        if not location:
            raise invalid("metadata.labels", f"needs {krm.LOCATION_LABEL}, or ask the host of a region.")
        parent = f"projects/{await self._project(request)}/locations/{location}"
        create = CreateServiceRequest(parent=parent, service_id=given.name, service=service)
        operation = await self._services.create_service(create, caller)
        return documents.service(codec.unpack(Service, operation.response or {}))

    async def get_service(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return a service."""
        get = GetServiceRequest(name=await self._named(request, request.variables["name"]))
        return documents.service(await self._services.get_service(get, caller))

    async def replace_service(self, request: DocumentRequest, caller: Caller) -> Document:
        """Replace a service that exists; a resourceVersion that is not the newest is refused with 409."""
        service, given = documents.read_service(request.body)
        request = replace(request, location=request.location or given.location or None)
        service.name = await self._named(request, request.variables["name"])
        operation = await self._services.update_service(UpdateServiceRequest(service=service), caller)
        return documents.service(codec.unpack(Service, operation.response or {}))

    async def delete_service(self, request: DocumentRequest, caller: Caller) -> Document:
        """Delete a service with its revisions."""
        name = request.variables["name"]
        delete = DeleteServiceRequest(name=await self._named(request, name))
        operation = await self._services.delete_service(delete, caller)
        return krm.deleted(name, (operation.response or {}).get("uid", ""))

    async def list_revisions(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return revisions, newest first: of the service that the selector names, else of all."""
        project, listing = await self._project(request), krm.listing(request)
        named = listing.equal.get(documents.SERVICE_LABEL)
        items: list[Document] = []
        for parent in await self._parents(request, project, named):
            list_them = ListRevisionsRequest(parent=parent)
            page = await self._services.list_revisions(list_them, caller)
            items += [documents.revision(one) for one in page.revisions]
        kept = [item for item in items if listing.wants(item["metadata"]["labels"])]
        return krm.resource_list("Revision", documents.VERSION, kept, "")

    async def get_revision(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return a revision."""
        return documents.revision(await self._revision(request, caller))

    async def delete_revision(self, request: DocumentRequest, caller: Caller) -> Document:
        """Delete a revision that gets no requests."""
        found = await self._revision(request, caller)
        await self._services.delete_revision(DeleteRevisionRequest(name=found.name), caller)
        return krm.deleted(request.variables["name"], found.uid)

    async def _revision(self, request: DocumentRequest, caller: Caller) -> Revision:
        """Return the revision that is named, of whichever service."""
        name = request.variables["name"]
        project = await self._project(request)
        for parent in await self._parents(request, project, None):
            if name.startswith(f"{parent.rsplit('/', 1)[-1]}-"):
                get = GetRevisionRequest(name=f"{parent}/revisions/{name}")
                try:
                    found: Revision = await self._services.get_revision(get, caller)
                except NotFound:  # of a service whose name begins like another's
                    continue
                return found
        raise NotFound(f"Revision {name!r} does not exist.")

    async def _parents(self, request: DocumentRequest, project: str, service: str | None) -> list[str]:
        """Return the full names of the services that are meant."""
        found = await self._read(
            "SELECT location, service FROM services WHERE project = ? ORDER BY location, service", project
        )
        return [
            f"projects/{project}/locations/{location}/services/{name}"
            for location, name in found
            if request.location in {None, location} and service in {None, name}
        ]

    async def _project(self, request: DocumentRequest) -> str:
        namespace = request.variables["namespace"]
        if not is_number(namespace):
            return namespace
        return project_id(
            namespace, [name for (name,) in await self._read("SELECT DISTINCT project FROM services")]
        )

    async def _places(self, project: str, service: str) -> list[str]:
        found = await self._read(
            "SELECT DISTINCT location FROM services WHERE project = ? AND (? = '' OR service = ?) ORDER BY location",
            project, service, service,
        )  # fmt: skip
        return [location for (location,) in found]

    async def _named(self, request: DocumentRequest, name: str) -> str:
        project = await self._project(request)
        places = [request.location] if request.location else await self._places(project, name)
        if not places:
            raise NotFound(f"Service {name!r} does not exist in project {project!r}.")
        if len(places) > 1:
            raise InvalidArgument(
                f"Service {name!r} exists in {', '.join(places)}: ask the regional host, or give --region."
            )
        return f"projects/{project}/locations/{places[0]}/services/{name}"

    async def _read(self, sql: str, *values: str) -> list[tuple[str, ...]]:
        reading: Callable[[Tx], list[tuple[str, ...]]] = lambda tx: [  # noqa: E731
            tuple(map(str, row)) for row in tx.all(sql, *values)
        ]
        return await self._store.read(reading)
