"""Where jobs are: for callers that do not say the location, or give the project by number."""

from jubako.core.errors import InvalidArgument, NotFound
from jubako.store.port import Tx
from jubako.wire.projects import is_number, project_id


def project_of(tx: Tx, namespace: str) -> str:
    """Return the project id of a namespace.

    Raises:
        NotFound: It is a number that no project with jobs has.

    """
    if not is_number(namespace):
        return namespace
    return project_id(namespace, (str(name) for (name,) in tx.all("SELECT DISTINCT project FROM jobs")))


def location_of(tx: Tx, project: str, job: str) -> str:
    """Return the only location that has a job of this name.

    Raises:
        NotFound: None has.
        InvalidArgument: More than one has.

    """
    found = tx.all("SELECT location FROM jobs WHERE project = ? AND job = ? ORDER BY location", project, job)
    if not found:
        raise NotFound(f"Job {job!r} does not exist in project {project!r}.")
    if len(found) > 1:
        names = ", ".join(str(location) for (location,) in found)
        raise InvalidArgument(f"Job {job!r} exists in {names}: ask the regional host, or give --region.")
    return str(found[0][0])
