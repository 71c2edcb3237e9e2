"""The telop application on a test's server: deployed as the demo deploys it, reached through its reception API."""

from contextlib import closing
from pathlib import Path
from typing import Any

from jubako.cli.client import Client
from jubako.cli.demo.deployment import Application, deploy
from jubako.testing.server import PARENT, ServerProcess


class TelopOnServer:
    """A deployed application; its data lie in ``output``."""

    def __init__(self, server: ServerProcess) -> None:
        """Deploy it."""
        self.server = server
        self.output = server.state_dir / "data/telop"
        self._application = Application(
            server=server.address, project="local", location="asia-northeast1", output=str(self.output)
        )
        with closing(Client(server.address)) as client:
            deploy(client, self._application)

    def submit(self, video: Path, **fields: object) -> dict[str, Any]:
        """Hand in a video by its path; return the reception.

        Raises:
            ApiError: It was refused.

        """
        body = {"path": str(video), **fields}
        reception: dict[str, Any] = self.server.post(f"{self._application.reception}/videos", body)
        return reception

    def look(self, reception: str) -> dict[str, Any]:
        """Return the reception as it is now."""
        found: dict[str, Any] = self.server.get(f"{self._application.reception}/receptions/{reception}")
        return found

    def cancel(self, reception: str) -> dict[str, Any]:
        """Cancel it."""
        told: dict[str, Any] = self.server.call(
            "DELETE", f"{self._application.reception}/receptions/{reception}"
        )
        return told

    def forget_results(self, reception: str) -> None:
        """Remove what its jobs have published: a job that is run again does all of its work again."""
        folder = self.output / "receptions" / reception
        for path in [
            *folder.glob("ocr/*"),
            *folder.glob("speech/*"),
            *folder.glob("report.*"),
            folder / "telops.json",
        ]:
            path.unlink(missing_ok=True)

    def run_job(self, job: str, reception: str, **overrides: object) -> dict[str, Any]:
        """Run one of its jobs by hand for a reception and return the ended execution."""
        env = [
            {"name": "RECEPTION_ID", "value": reception},
            {"name": "OUTPUT_URI", "value": f"file://{self.output}"},
        ]
        body = {"overrides": {"containerOverrides": [{"env": env}], **overrides}}
        operation = self.server.post(f"/v2/{PARENT}/jobs/{job}:run", body)
        while not operation.get("done"):
            operation = self.server.post(f"/v2/{operation['name']}:wait", {"timeout": "60s"})
        execution: dict[str, Any] = operation["metadata"]
        return execution
