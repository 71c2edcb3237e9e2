"""What clients ask about projects before they begin: that it exists, which APIs are on, which locations there are.

Every project exists, with the number that its id gives (wire/addresses). An API is ENABLED if it is served here and
DISABLED if it is not; none can be switched. Any location name is taken by every API; listed are Cloud Run's regions.

Sources: Service Usage v1 and Resource Manager v1 reference; Cloud Run, "Locations".
"""

from collections.abc import Sequence

from jubako.core.errors import FailedPrecondition, NotFound
from jubako.identity.locations import locations_api
from jubako.wire.addresses import project_number
from jubako.wire.method import Api, Caller, Document, DocumentHandler, DocumentRequest, document_routes
from jubako.wire.projects import is_number

USAGE_HOSTS = ("serviceusage.googleapis.com",)
PROJECT_HOSTS = ("cloudresourcemanager.googleapis.com",)


class Projects:
    """Answers such questions; ``served`` are the names of the APIs that this server plays."""

    def __init__(self, served: Sequence[str]) -> None:
        self._served = sorted({*served, *USAGE_HOSTS, *PROJECT_HOSTS})

    def apis(self) -> list[Api]:
        """Return Service Usage, Resource Manager and the locations of all APIs."""
        usage = "/v1/projects/{project}/services"
        return [
            _api(
                "serviceusage",
                "v1",
                USAGE_HOSTS,
                [
                    ("GET", f"{usage}/{{service}}", "serviceusage.services.get", self.get_service),
                    ("GET", usage, "serviceusage.services.list", self.list_services),
                    ("POST", f"{usage}/{{service}}:enable", "serviceusage.services.enable", self.enable),
                ],
            ),
            _api(
                "cloudresourcemanager",
                "v1",
                PROJECT_HOSTS,
                [("GET", "/v1/projects/{project}", "resourcemanager.projects.get", self.get_project)],
            ),
            *[locations_api(version) for version in ("v1", "v2")],
        ]

    async def get_service(self, request: DocumentRequest, caller: Caller) -> Document:
        """Say whether an API is served."""
        del caller
        return self._service(request.variables["project"], request.variables["service"])

    async def list_services(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return the APIs that are served; ``filter`` may be ``state:ENABLED`` or ``state:DISABLED``."""
        del caller
        wants = request.query.get("filter", "") != "state:DISABLED"
        return {
            "services": [self._service(request.variables["project"], name) for name in self._served if wants]
        }

    async def enable(self, request: DocumentRequest, caller: Caller) -> Document:
        """Confirm that an API is served.

        Raises:
            FailedPrecondition: It is not.

        """
        del caller
        service = self._service(request.variables["project"], request.variables["service"])
        if service["state"] != "ENABLED":
            raise FailedPrecondition(f"{request.variables['service']} is not served by this server.")
        return {
            "name": "operations/noop.DONE_OPERATION",
            "done": True,
            "response": {
                "@type": "type.googleapis.com/google.api.serviceusage.v1.EnableServiceResponse",
                "service": service,
            },
        }

    async def get_project(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return a project: all exist, and only their ids lead to them."""
        del caller
        project = request.variables["project"]
        if is_number(project):
            raise NotFound(f"Project number {project} is not known; ask by the project's id.")
        return {
            "projectNumber": str(project_number(project)),
            "projectId": project,
            "name": project,
            "lifecycleState": "ACTIVE",
        }

    def _service(self, project: str, name: str) -> Document:
        number = project if is_number(project) else str(project_number(project))
        return {
            "name": f"projects/{number}/services/{name}",
            "parent": f"projects/{number}",
            "config": {"name": name},
            "state": "ENABLED" if name in self._served else "DISABLED",
        }


def _api(
    name: str, version: str, hosts: Sequence[str], table: Sequence[tuple[str, str, str, DocumentHandler]]
) -> Api:
    return Api(
        name=name, version=version, hosts=hosts, methods=(), handlers={}, documents=document_routes(table)
    )
