"""The few calls of Google's REST APIs that the reception makes: workflow executions, and executions of jobs.

The base addresses come from the environment and default to Google's. A token is fetched from the metadata server only
for addresses of Google; elsewhere (a local server without authentication) none is sent.

Source: Workflow Executions API v1 and Cloud Run Admin API v2, REST reference.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

_PAGES_MAX = 50
_REFRESH_S = 60.0


class ApiError(Exception):
    """The platform cannot be reached or refused; the text says which call and why."""

    def __init__(self, message: str, status: int = 503) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """One API at one base address."""

    def __init__(self, client: httpx.AsyncClient, base: str) -> None:
        self._client = client
        self._base = base.rstrip("/")
        self._token = ""
        self._token_until = 0.0

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the answer's JSON.

        Raises:
            ApiError: No answer, or an error; ``status`` is its HTTP status (503 without an answer).

        """
        try:
            answer = await self._client.request(
                method,
                f"{self._base}/{path}",
                params=query,
                json=body,
                headers={**(headers or {}), **await self._authorization()},
            )
        except httpx.HTTPError as error:
            raise ApiError(
                f"{method} {path}: no answer from {self._base} ({str(error) or type(error).__name__})"
            ) from error
        if answer.is_error:
            raise ApiError(f"{method} {path}: {_message(answer)}", answer.status_code)
        try:
            result: dict[str, Any] = answer.json()
        except ValueError as error:
            raise ApiError(f"{method} {path}: the answer is not JSON", 502) from error
        return result

    async def pages(self, path: str, field: str, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Yield the items of a list method, page after page."""
        token = ""
        for _ in range(_PAGES_MAX):
            page = await self.call("GET", path, query={**query, **({"pageToken": token} if token else {})})
            for item in page.get(field, []):
                yield item
            token = page.get("nextPageToken", "")
            if not token:
                return

    async def _authorization(self) -> dict[str, str]:
        host = urlsplit(self._base).hostname or ""
        if not host.endswith(".googleapis.com"):
            return {}
        if time.monotonic() >= self._token_until:
            metadata = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
            answer = await self._client.get(
                f"http://{metadata}/computeMetadata/v1/instance/service-accounts/default/token",
                headers={"Metadata-Flavor": "Google"},
            )
            answer.raise_for_status()
            token = answer.json()
            self._token = token["access_token"]
            self._token_until = time.monotonic() + token["expires_in"] - _REFRESH_S
        return {"Authorization": f"Bearer {self._token}"}


class Workflow:
    """The executions of one workflow, found by their label ``reception``."""

    def __init__(self, api: Api, name: str) -> None:
        """Take the workflow's full ``name``: ``projects/P/locations/L/workflows/W``."""
        self._api = api
        self._path = f"v1/{quote(name)}/executions"

    async def find(self, reception: str, run: int = 1) -> dict[str, Any] | None:
        """Return the newest execution labelled with the reception and the number of its run, or None."""
        query = {"filter": f'labels.reception="{reception}"', "view": "FULL", "pageSize": "100"}
        # Labels are checked here as well: a server may pass over the filter.
        async for execution in self._api.pages(self._path, "executions", query):
            labels = execution.get("labels", {})
            if labels.get("reception") == reception and labels.get("run", "1") == str(run):
                return execution
        return None

    async def start(self, reception: str, run: int, argument: Mapping[str, object]) -> dict[str, Any]:
        """Start an execution for the reception; where the key is understood, a second call finds the first's."""
        # The first run has no number, as those that were started before there were reruns.
        labels, key = {"reception": reception}, f"reception-{reception}"
        if run > 1:
            labels, key = labels | {"run": str(run)}, f"{key}-{run}"
        body = {"argument": json.dumps(argument), "labels": labels}
        return await self._api.call("POST", self._path, body=body, headers={"Idempotency-Key": key})

    async def get(self, name: str) -> dict[str, Any]:
        """Return the execution of this full name."""
        return await self._api.call("GET", f"v1/{quote(name)}")

    async def cancel(self, name: str) -> None:
        """Ask the execution to end; one that has ended already is left as it is."""
        try:
            await self._api.call("POST", f"v1/{quote(name)}:cancel", body={})
        except ApiError as error:
            if error.status not in {400, 404, 409}:
                raise


class Jobs:
    """The executions of the application's jobs. The platform ends no job when a workflow that waits for it ends."""

    def __init__(self, api: Api, location: str, jobs: tuple[str, ...]) -> None:
        """Take the full ``location``, ``projects/P/locations/L``, and the ids of the jobs."""
        self._api = api
        self._paths = tuple(f"v2/{quote(location)}/jobs/{quote(job)}/executions" for job in jobs)

    async def running(self, reception: str) -> list[str]:
        """Return the full names of unfinished executions whose ``RECEPTION_ID`` is this one."""
        found: list[str] = []
        for path in self._paths:
            try:
                found += [
                    execution["name"]
                    async for execution in self._api.pages(path, "executions", {"pageSize": "100"})
                    if not execution.get("completionTime") and _reception(execution) == reception
                ]
            except ApiError as error:
                if error.status != 404:  # a job that is not deployed runs nothing
                    raise
        return found

    async def cancel(self, name: str) -> None:
        """Ask the execution to end; one that has ended already is left as it is."""
        try:
            await self._api.call("POST", f"v2/{quote(name)}:cancel", body={})
        except ApiError as error:
            if error.status not in {400, 404, 409}:
                raise


def _reception(execution: Mapping[str, Any]) -> str | None:
    containers = execution.get("template", {}).get("containers", [])
    variables = (variable for container in containers for variable in container.get("env", []))
    return next((v.get("value") for v in variables if v.get("name") == "RECEPTION_ID"), None)


def _message(answer: httpx.Response) -> str:
    try:
        message: str = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
    return f"HTTP {answer.status_code}, {message}"
