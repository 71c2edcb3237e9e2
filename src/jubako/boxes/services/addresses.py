"""Under which addresses a service is reached; host names are in ``wire.addresses``."""

from jubako.boxes.services.rows import ServiceKey
from jubako.wire.addresses import service_host


def host_of(key: ServiceKey) -> str:
    """Return the service's own host name."""
    return service_host(key.project, key.location, key.service)


def uri_of(host: str) -> str:
    """Return the service's URI, as the API gives it."""
    return f"https://{host}"


def path_of(key: ServiceKey) -> str:
    """Return the path of the service on the one port, without a slash at the end."""
    return f"/run/{key.project}/{key.location}/{key.service}"
