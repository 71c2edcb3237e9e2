"""What Google's client and we say to one another over gRPC, byte by byte, kept in tests/golden/wire.

A difference is either a new client or a change of ours: look at it, then write the file anew with UPDATE_GOLDEN=1.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from jubako.wire.google_types import Status
from jubako.wire.listener import Listener
from jubako.wire.protobuf_codec import decode

grpc = pytest.importorskip("grpc")
exceptions = pytest.importorskip("google.api_core.exceptions")
run_v2 = pytest.importorskip("google.cloud.run_v2")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

GOLDEN = Path(__file__).parents[2] / "golden" / "wire" / "run_v2_jobs_grpc.txt"
PARENT = "projects/p/locations/l"


def shown(data: bytes) -> str:
    """Protobuf bytes with their texts readable."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in data)


Channel: Any = grpc.Channel


class RecordingChannel(Channel):  # type: ignore[misc]
    """Hands out the real channel's calls and keeps the bytes that pass."""

    def __init__(self, channel: Any) -> None:
        self.lines: list[str] = []
        self._channel = channel

    def unary_unary(
        self, path: str, request_serializer: Any, response_deserializer: Any, *rest: Any, **more: Any
    ) -> Any:
        return self._channel.unary_unary(
            path,
            self._kept(f"> {path}", request_serializer),
            self._kept("<", response_deserializer),
            *rest,
            **more,
        )

    def _kept(self, mark: str, convert: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
        def call(value: Any) -> Any:
            made = convert(value) if convert else value
            self.lines.append(f"{mark} {shown(made if mark.startswith('>') else value)}")
            return made

        return call

    def close(self) -> None:
        self._channel.close()

    def _unused(self, *_: object, **__: object) -> None:
        raise AssertionError

    subscribe = unsubscribe = unary_stream = stream_unary = stream_stream = _unused

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def failure(error: Any) -> str:
    trailers = dict(error.errors[0].trailing_metadata())
    status = decode(Status, trailers["grpc-status-details-bin"])
    return f"< {error.grpc_status_code} {status.code} {status.message} {status.details}"


def story(client: Any, lines: list[str]) -> None:
    container = run_v2.Container(image="image", args=["-m", "ocr"], env=[run_v2.EnvVar(name="E", value="")])
    template = run_v2.TaskTemplate(containers=[container], max_retries=0, timeout="90.5s")
    job = run_v2.Job(labels={"k": "ä"}, template=run_v2.ExecutionTemplate(task_count=3, template=template))
    operation = client.create_job(parent=PARENT, job_id="j", job=job)
    client.wait_operation({"name": operation.operation.name, "timeout": {"seconds": 20}})
    client.get_job(name=f"{PARENT}/jobs/j")
    list(client.list_jobs(parent=PARENT))
    attempts: list[Callable[[], object]] = [
        lambda: client.create_job(parent=PARENT, job_id="j", job=job),
        lambda: client.get_job(name=f"{PARENT}/jobs/none"),
        lambda: client.run_job(run_v2.RunJobRequest(name="j", overrides={"task_count": 2})),
        lambda: client.list_operations({"name": PARENT, "page_size": -1}),
    ]
    for attempt in attempts:
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            attempt()
        lines.append(failure(caught.value))


async def test_the_jobs_client_over_grpc(place, tmp_path) -> None:
    from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport

    listener = Listener(None, [place.grpc(tmp_path / "g.sock")])
    port = await listener.start("127.0.0.1", 0)
    channel = RecordingChannel(grpc.insecure_channel(f"127.0.0.1:{port}"))
    client = run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel))
    try:
        await asyncio.to_thread(story, client, channel.lines)
    finally:
        channel.close()
        await listener.close()
    text = "\n".join(channel.lines) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")
