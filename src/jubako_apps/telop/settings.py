"""What the reception service reads from its environment, once, with every problem reported together."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_GIB = 1024**3


class BadSettings(Exception):
    """Variables are missing or wrong; the text names each."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The service's settings.

    Attributes:
        output_uri: ``OUTPUT_URI``: where receptions and results are kept.
        project: ``GOOGLE_CLOUD_PROJECT``.
        location: ``GOOGLE_CLOUD_LOCATION``.
        workflow: ``TELOP_WORKFLOW``, default ``telop-check``.
        executions_base: ``WORKFLOWEXECUTIONS_API_BASE``, default Google's.
        run_base: ``RUN_API_BASE``, default Google's.
        upload_bytes_max: ``TELOP_UPLOAD_BYTES_MAX``, default 8 GiB.
        input_root: ``TELOP_INPUT_ROOT``: videos and scripts named by path must lie here; default ``/``.
        segment_seconds: ``TELOP_SEGMENT_SECONDS``, default 60.
        webhook_url: ``TELOP_WEBHOOK_URL``: told when a check has ended; empty: nobody is.
        webhook_secret: ``TELOP_WEBHOOK_SECRET``: signs those messages; needed with the address.
        jobs: ``TELOP_JOBS``, comma-separated ids; the jobs that a cancelled reception must not leave running.

    """

    output_uri: str
    project: str
    location: str
    workflow: str = "telop-check"
    executions_base: str = "https://workflowexecutions.googleapis.com"
    run_base: str = "https://run.googleapis.com"
    upload_bytes_max: int = 8 * _GIB
    input_root: Path = Path("/")
    segment_seconds: float = 60.0
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)
    jobs: tuple[str, ...] = ("telop-ocr", "telop-speech", "telop-report")

    @property
    def parent(self) -> str:
        """The full name of the location."""
        return f"projects/{self.project}/locations/{self.location}"


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        BadSettings: Some are missing or wrong.

    """
    env = os.environ if environ is None else environ
    problems: list[str] = []

    def needed(name: str) -> str:
        if not env.get(name):
            problems.append(f"{name} is not set")
        return env.get(name, "")

    def number(name: str, default: float) -> float:
        try:
            value = float(env.get(name) or default)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            problems.append(f"{name} is {env.get(name)!r}; it must be a number above 0")
        return value

    webhook_url = env.get("TELOP_WEBHOOK_URL", "")
    if webhook_url and not webhook_url.startswith(("https://", "http://")):
        problems.append("TELOP_WEBHOOK_URL must begin with https:// or http://")
    settings = Settings(
        webhook_url=webhook_url,
        webhook_secret=needed("TELOP_WEBHOOK_SECRET") if webhook_url else "",
        output_uri=needed("OUTPUT_URI"),
        project=needed("GOOGLE_CLOUD_PROJECT"),
        location=needed("GOOGLE_CLOUD_LOCATION"),
        workflow=env.get("TELOP_WORKFLOW") or Settings.workflow,
        executions_base=env.get("WORKFLOWEXECUTIONS_API_BASE") or Settings.executions_base,
        run_base=env.get("RUN_API_BASE") or Settings.run_base,
        upload_bytes_max=int(number("TELOP_UPLOAD_BYTES_MAX", Settings.upload_bytes_max)),
        input_root=Path(env.get("TELOP_INPUT_ROOT") or "/"),
        segment_seconds=number("TELOP_SEGMENT_SECONDS", Settings.segment_seconds),
        jobs=tuple(filter(None, env.get("TELOP_JOBS", ",".join(Settings.jobs)).split(","))),
    )
    if problems:
        raise BadSettings("; ".join(problems) + ".")
    return settings
