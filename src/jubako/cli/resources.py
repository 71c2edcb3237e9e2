"""Create-or-update, delete and waiting: what all deployed resources have in common."""

from collections.abc import Callable
from typing import Any

from jubako.cli.client import Client
from jubako.cli.errors import ApiError

Resource = dict[str, Any]
RACES_MAX = 3
OUTPUT_ONLY = frozenset(
    {
        "uid", "generation", "createTime", "updateTime", "deleteTime", "expireTime", "creator", "lastModifier",
        "observedGeneration", "terminalCondition", "conditions", "reconciling", "satisfiesPzs",
        "executionCount", "latestCreatedExecution", "latestReadyRevision", "latestCreatedRevision",
        "trafficStatuses", "uri", "urls",
    }
)  # fmt: skip
"""Fields that only the server writes. Source: google/cloud/run/v2/{job,service}.proto, OUTPUT_ONLY."""


def create_or_update(
    client: Client, name: str, change: Callable[[Resource], Resource], *, skip_unchanged: bool = False
) -> tuple[Resource, bool]:
    """Apply ``change`` to the run v2 resource ``name``, or to an empty one, and send it.

    Whoever changed it in between is noticed by its etag; then the change is made again on what is there now.
    Where ``skip_unchanged``, nothing is sent when ``change`` changes nothing.

    Returns:
        The resource as the server has it now, and whether it is new.

    Raises:
        ApiError: The server refused it.

    """
    for race in range(RACES_MAX):
        before = client.find(f"/v2/{name}")
        settable = {key: value for key, value in (before or {}).items() if key not in OUTPUT_ONLY}
        after = change(settable)
        if before is not None and skip_unchanged and after == settable:
            return before, False
        try:
            return client.wait(_send(client, name, before, after), "v2"), before is None
        except ApiError as error:
            if error.status not in {"ABORTED", "ALREADY_EXISTS"} or race == RACES_MAX - 1:
                raise
    raise AssertionError(name)


def _send(client: Client, name: str, before: Resource | None, after: Resource) -> Resource:
    if before is not None:
        return client.call("PATCH", f"/v2/{name}", body=after)
    parent, collection, short = name.rsplit("/", 2)
    query = {f"{collection[:-1]}Id": short}
    return client.call("POST", f"/v2/{parent}/{collection}", query=query, body=after)


def delete(client: Client, name: str, version: str) -> None:
    """Delete a resource and wait until it is gone."""
    client.wait(client.call("DELETE", f"/{version}/{name}"), version)
