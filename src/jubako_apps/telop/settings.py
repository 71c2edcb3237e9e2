"""What the reception service reads from its environment, once, with every problem reported together."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jubako_apps.telop.sources import Model, models_from

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
        speech_models: ``TELOP_SPEECH_MODELS``, for example ``ja=vosk:/models/ja,faster-whisper:/models/base``.
        buckets: ``TELOP_BUCKETS``, for example ``news=/mnt/news``: where buckets are mounted.
        language: ``TELOP_LANGUAGE``, of videos that land in a bucket and do not say theirs; default ``en``.
        tasks_max: ``TELOP_TASKS_MAX``, most tasks of one job, default 10,000. A machine that does not grow is faster
            with about one for each core: each loads its models once and does several shards. The built-in recogniser
            loads fast; each part of the speech is a task of its own.
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
    speech_models: tuple[Model, ...] = ()
    buckets: tuple[tuple[str, Path], ...] = ()
    language: str = "en"
    tasks_max: int = 10_000
    jobs: tuple[str, ...] = ("telop-ocr", "telop-speech", "telop-report")

    @property
    def parent(self) -> str:
        """The full name of the location."""
        return f"projects/{self.project}/locations/{self.location}"


class _Environment:
    """Reads variables and remembers everything that is wrong with them."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self._variables.get(name) or default

    def needed(self, name: str) -> str:
        if not self.text(name):
            self.problems.append(f"{name} is not set")
        return self.text(name)

    def number(self, name: str, default: float) -> float:
        try:
            value = float(self.text(name) or default)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            self.problems.append(f"{name} is {self.text(name)!r}; it must be a number above 0")
        return value

    def address(self, name: str) -> str:
        value = self.text(name)
        if value and not value.startswith(("https://", "http://")):
            self.problems.append(f"{name} must begin with https:// or http://")
        return value

    def places(self, name: str) -> tuple[tuple[str, Path], ...]:
        pairs = [entry.strip().partition("=") for entry in self.text(name).split(",") if entry.strip()]
        self.problems += [
            f"{name}: say BUCKET=/DIRECTORY" for _, _, place in pairs if not place.startswith("/")
        ]
        return tuple((bucket, Path(place)) for bucket, _, place in pairs)

    def models(self, name: str) -> tuple[Model, ...]:
        try:
            return models_from(self.text(name))
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return ()


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        BadSettings: Some are missing or wrong.

    """
    variables = os.environ if environ is None else environ
    env = _Environment(variables)
    webhook_url = env.address("TELOP_WEBHOOK_URL")
    settings = Settings(
        output_uri=env.needed("OUTPUT_URI"),
        project=env.needed("GOOGLE_CLOUD_PROJECT"),
        location=env.needed("GOOGLE_CLOUD_LOCATION"),
        workflow=env.text("TELOP_WORKFLOW", Settings.workflow),
        executions_base=env.text("WORKFLOWEXECUTIONS_API_BASE", Settings.executions_base),
        run_base=env.text("RUN_API_BASE", Settings.run_base),
        upload_bytes_max=int(env.number("TELOP_UPLOAD_BYTES_MAX", Settings.upload_bytes_max)),
        input_root=Path(env.text("TELOP_INPUT_ROOT", "/")),
        segment_seconds=env.number("TELOP_SEGMENT_SECONDS", Settings.segment_seconds),
        webhook_url=webhook_url,
        webhook_secret=env.needed("TELOP_WEBHOOK_SECRET") if webhook_url else "",
        speech_models=env.models("TELOP_SPEECH_MODELS"),
        buckets=env.places("TELOP_BUCKETS"),
        language=env.text("TELOP_LANGUAGE", Settings.language),
        tasks_max=int(max(1, env.number("TELOP_TASKS_MAX", Settings.tasks_max))),
        jobs=tuple(filter(None, variables.get("TELOP_JOBS", ",".join(Settings.jobs)).split(","))),
    )
    if env.problems:
        raise BadSettings("; ".join(env.problems) + ".")
    return settings
