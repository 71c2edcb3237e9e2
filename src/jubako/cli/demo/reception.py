"""The reception API of the deployed application: hand in a video, ask how far it is, fetch the report."""

import uuid
from typing import Any

from jubako.cli.client import Client
from jubako.cli.demo.clip import Clip
from jubako.cli.demo.deployment import Application

View = dict[str, Any]
"""``{"id", "state", "reason", "progress", "branches": {STAGE: {"done", "total"}}, "segments", "duration", ...}``."""


class Reception:
    """One video that was handed in."""

    def __init__(self, client: Client, application: Application, view: View, *, is_known: bool) -> None:
        self._client = client
        self._application = application
        self.id: str = view["id"]
        self.first_view = view
        self.is_known = is_known

    @classmethod
    def submit(cls, client: Client, application: Application, clip: Clip, *, is_fresh: bool) -> "Reception":
        """Hand in the clip by its path; the same content is the same reception, unless ``is_fresh``.

        Raises:
            ApiError: The reception refused it, and says why.

        """
        body: dict[str, Any] = {"path": str(clip.video), "name": clip.video.name, "language": clip.language}
        attached = {"script": clip.script, "glossary": clip.glossary, "ng_words": clip.ng_words}
        body |= {field: str(path) for field, path in attached.items() if path is not None}
        if clip.segment_seconds is not None:
            body["segment_seconds"] = clip.segment_seconds
        before = cls._ids(client, application)
        view = client.call(
            "POST",
            f"{application.reception}/videos",
            body=body,
            idempotency_key=str(uuid.uuid4()) if is_fresh else None,
            is_repeatable=True,
        )
        return cls(client, application, view, is_known=view["id"] in before)

    @staticmethod
    def _ids(client: Client, application: Application) -> set[str]:
        listed = client.get(f"{application.reception}/receptions")
        return {view["id"] for view in listed.get("receptions", [])}

    @property
    def path(self) -> str:
        """Where it is on the server."""
        return f"{self._application.reception}/receptions/{self.id}"

    def look(self) -> View:
        """Return the reception as it is now."""
        return self._client.get(self.path)

    def result(self) -> dict[str, Any]:
        """Return ``report.json`` of a reception that has succeeded."""
        return self._client.get(f"{self.path}/report.json")
