"""The telop application on a test's server: deployed by the public API, reached through its reception API."""

import json
import sys
import threading
from importlib import resources
from pathlib import Path
from typing import Any

from jubako.testing.server import PARENT, ServerProcess

JOBS = {"telop-ocr": "ocr", "telop-speech": "speech", "telop-report": "report"}
"""Job to the word that its task program is given."""
RECEPTION = "/run/local/asia-northeast1/telop"


class TelopOnServer:
    """A deployed application; its data lie in ``output``."""

    def __init__(self, server: ServerProcess, *, is_warm: bool = False, tasks_max: int = 10_000) -> None:
        """Deploy it.

        Args:
            server: Where.
            is_warm: Whether what its tasks import is imported once for each execution.
            tasks_max: Most tasks of one job; with fewer tasks than shards each does several.

        """
        self._tasks_max = tasks_max
        self.server = server
        self.output = server.state_dir / "data/telop"
        for job, word in JOBS.items():
            template = {"containers": [self._container("jubako_apps.telop.tasks", word)], "timeout": "3600s"}
            annotations = {"jubako.dev/warm-start": f"jubako_apps.telop.warm.{word}"} if is_warm else {}
            body = {"template": {"annotations": annotations, "template": template}}
            server.post(f"/v2/{PARENT}/jobs?jobId={job}", body)
        service = {"template": {"containers": [self._container("jubako_apps.telop.service")]}}
        server.post(f"/v2/{PARENT}/services?serviceId=telop", service)
        source = (resources.files("jubako_apps.telop") / "workflow.yaml").read_text("utf-8")
        server.post(f"/v1/{PARENT}/workflows?workflowId=telop-check", {"sourceContents": source})

    def _container(self, module: str, *words: str) -> dict[str, Any]:
        variables = {
            "OUTPUT_URI": f"file://{self.output}",
            "GOOGLE_CLOUD_PROJECT": "local",
            "GOOGLE_CLOUD_LOCATION": "asia-northeast1",
            "WORKFLOWEXECUTIONS_API_BASE": self.server.address,
            "RUN_API_BASE": self.server.address,
            "TELOP_TASKS_MAX": str(self._tasks_max),
        }
        return {
            "command": [sys.executable, "-m", module],
            "args": list(words),
            "env": [{"name": name, "value": value} for name, value in variables.items()],
        }

    def wake(self) -> None:
        """Wait until the reception service answers."""
        self.server.get(f"{RECEPTION}/healthz")

    def submit(self, video: Path, **fields: object) -> dict[str, Any]:
        """Hand in a video by its path; return the reception.

        Raises:
            ApiError: It was refused.

        """
        body = {"path": str(video), **fields}
        reception: dict[str, Any] = self.server.post(f"{RECEPTION}/videos", body)
        return reception

    def look(self, reception: str) -> dict[str, Any]:
        """Return the reception as it is now."""
        found: dict[str, Any] = self.server.get(f"{RECEPTION}/receptions/{reception}")
        return found

    def cancel(self, reception: str) -> dict[str, Any]:
        """Cancel it."""
        told: dict[str, Any] = self.server.call("DELETE", f"{RECEPTION}/receptions/{reception}")
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

    def run_workflow(self, argument: dict[str, Any]) -> None:
        """Run its workflow by hand, with the argument that `workflow.yaml` names, and wait for its end."""
        workflow = f"/v1/{PARENT}/workflows/telop-check/executions"
        execution = self.server.post(workflow, {"argument": json.dumps(argument)})
        while execution["state"] in {"ACTIVE", "QUEUED"}:
            threading.Event().wait(0.2)
            execution = self.server.get(f"/v1/{execution['name']}")
        assert execution["state"] == "SUCCEEDED", execution


def first_seconds(source: Path, target: Path, seconds: float) -> Path:
    """Write the first ``seconds`` of a video to ``target``, cut without re-encoding; needs PyAV."""
    import av  # noqa: PLC0415 - belongs to the telop extra

    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        streams = {stream.index: part.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None and packet.pts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                part.mux(packet)
    return target
