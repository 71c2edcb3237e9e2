"""Under which addresses a service is reached.

Source: Cloud Run, "Deterministic URL": ``https://SERVICE-PROJECTNUMBER.REGION.run.app``.
"""

import hashlib
from urllib.parse import unquote

from jubako.boxes.services.rows import ServiceKey

DOMAIN = "run.app"
PATH_ROOT = "/run/"


def project_number(project: str) -> str:
    """Return the 12 digits that stand for a project; a project that is named by its number keeps it."""
    if project.isdecimal() and project.isascii():
        return project
    digest = hashlib.sha256(project.encode()).digest()
    return str(100_000_000_000 + int.from_bytes(digest[:8], "big") % 900_000_000_000)


def host_of(key: ServiceKey) -> str:
    """Return the service's own host name."""
    return f"{key.service}-{project_number(key.project)}.{key.location}.{DOMAIN}"


def uri_of(host: str) -> str:
    """Return the service's URI, as the API gives it."""
    return f"https://{host}"


def path_of(key: ServiceKey) -> str:
    """Return the path of the service on the one port, without a slash at the end."""
    return f"{PATH_ROOT}{key.project}/{key.location}/{key.service}"


def split_path(path: str) -> tuple[ServiceKey, str] | None:
    """Return the service that a path on the one port names and the rest, which begins with a slash; else None."""
    parts = path.removeprefix(PATH_ROOT).split("/", 3)
    if not path.startswith(PATH_ROOT) or len(parts) < 3 or not all(parts[:3]):
        return None
    rest = "/" + parts[3] if len(parts) == 4 else "/"
    return ServiceKey(*(unquote(part) for part in parts[:3])), rest
