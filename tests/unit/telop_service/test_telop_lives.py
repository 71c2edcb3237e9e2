"""Receptions that are run again, and receptions that are removed with all their data."""

import json
from pathlib import Path
from typing import Any

import pytest

from jubako_apps.telop import lives, receptions
from jubako_sdk import put_json

VIDEO = b"VIDEO" + bytes(range(256)) * 40
MP4 = {"Content-Type": "video/mp4"}


def upload(client: Any, **query: str) -> str:
    found: str = client.post("/videos", params=query, content=VIDEO, headers=MP4).json()["id"]
    return found


def fail(fake: Any, number: int = -1) -> None:
    list(fake.executions.values())[number]["state"] = "FAILED"


@pytest.mark.parametrize("honours_keys", [True, False])
def test_a_failed_reception_is_run_again_with_the_results_it_has(client, fake, place, honours_keys):
    fake.honours_keys = honours_keys
    reception = upload(client)
    put_json(place, receptions.result_name(reception, "ocr", 0), {})
    put_json(place, receptions.error_name(reception, "ocr", 1), {"reason": "The machine stopped."})
    fail(fake)
    view = client.get(f"/receptions/{reception}").json()
    assert (view["state"], view["links"]["rerun"]) == ("FAILED", f"../receptions/{reception}/rerun")
    again = client.post(f"/receptions/{reception}/rerun")
    assert (again.status_code, again.json()["state"], again.json()["reason"]) == (202, "RUNNING", None)
    assert again.json()["branches"]["ocr"]["done"] == 1
    assert fake.creates == 2
    assert client.post(f"/receptions/{reception}/rerun").json()["state"] == "RUNNING"
    assert fake.creates == 2
    fail(fake)
    assert client.get(f"/receptions/{reception}").json()["state"] == "FAILED"
    assert client.post(f"/receptions/{reception}/rerun").json()["state"] == "RUNNING"
    assert fake.creates == 3


def test_a_cancelled_reception_may_be_run_after_all(client, fake):
    reception = upload(client)
    assert client.delete(f"/receptions/{reception}").json()["state"] == "CANCELLED"
    assert upload(client) == reception
    assert fake.creates == 1, "the same content alone starts nothing"
    assert client.post(f"/receptions/{reception}/rerun").json()["state"] == "RUNNING"
    assert fake.creates == 2


def test_a_complete_result_is_not_made_again_but_a_partial_one_is(client, fake, place):
    reception = upload(client)
    place.put(f"receptions/{reception}/report.html", b"<p>")
    fake.executions[next(iter(fake.executions))]["state"] = "SUCCEEDED"
    view = client.get(f"/receptions/{reception}").json()
    assert view["missing"]
    record = receptions.load(place, reception)
    assert record is not None
    for stage in ("ocr", "speech"):
        for shard in range(receptions.shards(record, stage)):
            put_json(place, receptions.result_name(reception, stage, shard), {})
    assert client.post(f"/receptions/{reception}/rerun").json()["state"] == "SUCCEEDED"
    assert fake.creates == 1
    place.delete(receptions.result_name(reception, "ocr", 2))
    assert client.post(f"/receptions/{reception}/rerun").json()["state"] == "RUNNING"
    assert fake.creates == 2
    assert not place.exists(f"receptions/{reception}/report.html")


def test_what_is_removed_leaves_no_file_at_all(client, fake, place, tmp_path):
    script = client.post("/scripts", params={"name": "a.srt"}, content=b"1\n").json()["script"]
    words = client.post("/lists", params={"name": "a.csv"}, content=b"x\n").json()["list"]
    reception = upload(client, script=script, glossary=words)
    put_json(place, receptions.result_name(reception, "ocr", 0), {})
    answer = client.delete(f"/receptions/{reception}", params={"data": "true"})
    assert (answer.status_code, answer.json()) == (200, {"id": reception, "removed": True})
    assert list(place.list()) == []
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    assert client.get(f"/receptions/{reception}").status_code == 404
    assert upload(client) is not None


def test_a_video_named_by_path_is_not_ours_to_remove(client, tmp_path):
    clip = Path(tmp_path) / "clip.mp4"
    clip.write_bytes(VIDEO)
    reception = client.post("/videos", json={"path": str(clip)}).json()["id"]
    assert client.delete(f"/receptions/{reception}", params={"data": "true"}).status_code == 200
    assert clip.read_bytes() == VIDEO


def test_a_removal_waits_for_what_runs_and_goes_on_by_itself(settings, client, fake, place, serve):
    reception = upload(client)
    fake.is_down = True
    assert client.delete(f"/receptions/{reception}", params={"data": "true"}).status_code == 503
    assert lives.is_removed(place, reception)
    fake.is_down = False
    with serve(settings, 0.05) as other:
        for _ in range(200):
            if other.get(f"/receptions/{reception}").status_code == 404:
                break
    assert list(place.list()) == []


def test_a_purge_cut_off_anywhere_is_found_and_finished(client, place):
    reception = upload(client)
    record = receptions.load(place, reception)
    assert record is not None
    lives.remove(place, reception)
    names = [
        name for name in place.list() if name.rsplit("/", 1)[1] not in {"reception.json", "removed.json"}
    ]
    for name in names:
        place.delete(name)
        assert [one.id for one in receptions.unfinished(place)] == [reception]
    lives.purge(place, record)
    assert list(place.list()) == []


def event(**data: Any) -> dict[str, Any]:
    return {"bucket": "news", "name": "evening/bridge.mp4", "generation": "17", **data}


BINARY = {
    "ce-type": "google.cloud.storage.object.v1.finalized",
    "ce-id": "1",
    "ce-source": "s",
    "ce-specversion": "1.0",
}


@pytest.fixture
def bucket(settings, serve, tmp_path):
    from dataclasses import replace

    folder = Path(tmp_path) / "mount/evening"
    folder.mkdir(parents=True)
    (folder / "bridge.mp4").write_bytes(VIDEO)
    (folder / "bridge.srt").write_bytes(b"1\n")
    with serve(
        replace(settings, buckets=(("news", Path(tmp_path) / "mount"),), input_root=Path("/nowhere"))
    ) as client:
        yield client


def test_a_finalized_object_starts_its_check_once_for_each_generation(bucket, fake, place):
    first = bucket.post("/events", json=event(), headers=BINARY)
    assert first.status_code == 202
    record = receptions.load(place, first.json()["reception"])
    assert record is not None
    assert record.script is not None
    assert record.name == "bridge.mp4"
    assert bucket.post("/events", json=event(), headers=BINARY).json() == first.json()
    structured = {"specversion": "1.0", "type": BINARY["ce-type"], "data": event()}
    assert bucket.post("/events", json=structured).json() == first.json()
    assert fake.creates == 1
    other = bucket.post("/events", json=event(generation="18"), headers=BINARY)
    assert other.status_code == 202
    assert other.json() != first.json()


def test_the_objects_metadata_says_how_to_check_it(bucket, place):
    told = event(metadata={"telop-language": "ja", "telop-mode": "strict"})
    record = receptions.load(place, bucket.post("/events", json=told, headers=BINARY).json()["reception"])
    assert record is not None
    assert (record.language, record.mode) == ("ja", "strict")


@pytest.mark.parametrize(
    ("headers", "data", "status", "words"),
    [
        (BINARY, event(name="evening/bridge.srt"), 200, "no video"),
        (BINARY | {"ce-type": "google.cloud.storage.object.v1.deleted"}, event(), 200, "start nothing"),
        (BINARY, event(name="evening/none.mp4"), 200, "no such file"),
        (BINARY, event(bucket="other"), 422, "not mounted"),
        (BINARY, event(name="../../etc/passwd.mp4"), 400, "no name of an object"),
        ({}, {"specversion": "1.0"}, 400, "no CloudEvent"),
        ({}, {"type": "x", "data": "{"}, 400, "not JSON"),
    ],
)
def test_what_is_no_video_of_ours_is_answered_for_good(bucket, fake, headers, data, status, words):
    answer = bucket.post("/events", json=data, headers=headers)
    assert answer.status_code == status
    assert words in json.dumps(answer.json())
    assert fake.creates == 0


def test_an_object_may_be_named_in_a_request_too(bucket):
    assert bucket.post("/videos", json={"bucket": "news", "object": "evening/bridge.mp4"}).status_code == 202
    assert bucket.post("/videos", json={"bucket": "news"}).status_code == 400
    assert bucket.post("/videos", json={"path": "/etc/hostname"}).status_code == 403


async def test_an_upload_of_any_size_needs_the_same_memory(settings, place, reader):
    import tracemalloc
    from dataclasses import replace

    from jubako_apps.telop.intake import Intake
    from jubako_apps.telop.wishes import wish_from

    large = replace(settings, upload_bytes_max=2**40)
    block = bytes(64 * 1024)

    async def body() -> Any:
        yield b"VIDEO"
        for _ in range(1600):
            yield block

    intake = Intake(place, large, reader)
    tracemalloc.start()
    try:
        reception, _ = await intake.upload(body(), wish_from({}, None, large))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reception.size == 1600 * len(block) + 5
    assert peak < 8 * 1024 * 1024
