import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from jubako_apps.telop import receptions
from jubako_apps.telop.settings import BadSettings, from_environment
from jubako_sdk import Sink, put_json

VIDEO = b"VIDEO" + bytes(range(256)) * 400


def upload(client: httpx.Client, data: bytes = VIDEO, key: str | None = None, **query: str) -> httpx.Response:
    headers = {"Content-Type": "video/mp4"} | ({"Idempotency-Key": key} if key else {})
    return client.post("/videos", params=query, content=data, headers=headers)


def kept(place: Sink) -> list[str]:
    return list(place.list())


def wait_until(condition: Any) -> None:
    for _ in range(400):
        if condition():
            return
        threading.Event().wait(0.025)
    raise AssertionError("it did not happen in ten seconds")


def only(executions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    [execution] = executions.values()
    return execution


def test_an_upload_is_recorded_started_and_answered_with_its_place(client, fake, place):
    answer = upload(client, name="夕方のニュース.mp4")
    reception = answer.json()["id"]
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"receptions/{reception}"
    assert answer.json()["state"] == "RUNNING"
    [execution] = fake.executions.values()
    assert execution["labels"] == {"reception": reception}
    assert json.loads(execution["argument"])["segments"] == 5
    record = receptions.load(place, reception)
    assert record is not None
    assert place.get(record.video) == VIDEO
    assert record.name == "夕方のニュース.mp4"
    assert not [name for name in kept(place) if name.startswith("uploads/")]


def test_links_are_made_below_the_prefix_under_which_the_service_is_reached(client):
    headers = {"Content-Type": "video/mp4", "X-Forwarded-Prefix": "/run/local/asia-northeast1/telop"}
    answer = client.post("/videos", content=VIDEO, headers=headers)
    assert answer.headers["Location"] == f"/run/local/asia-northeast1/telop/receptions/{answer.json()['id']}"
    evil = client.post("/videos", content=VIDEO, headers=headers | {"X-Forwarded-Prefix": "//evil.example/x"})
    assert evil.headers["Location"] == f"receptions/{answer.json()['id']}"


def test_the_same_content_or_key_gives_the_same_reception_and_one_run(client, fake, place):
    first = upload(client)
    before = kept(place)
    again = upload(client)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    assert kept(place) == before
    keyed = [upload(client, key="k-1"), upload(client, key="k-1")]
    assert len({answer.json()["id"] for answer in keyed}) == 1
    assert keyed[0].json()["id"] != first.json()["id"]
    assert fake.creates == 2


@pytest.mark.parametrize(
    "other", [{"data": VIDEO + b"x"}, {"language": "ja", "script": "s"}, {"mode": "strict"}]
)
def test_the_same_key_with_other_content_is_a_conflict_and_changes_nothing(client, place, tmp_path, other):
    if "script" in other:
        (tmp_path / "s.txt").write_text("台本", "utf-8")
        other = other | {"script": str(tmp_path / "s.txt")}
    upload(client, key="k")
    before = kept(place)
    answer = upload(client, key="k", **other)
    assert answer.status_code == 409
    assert kept(place) == before


def test_other_options_are_another_reception(client):
    assert upload(client).json()["id"] != upload(client, mode="strict").json()["id"]


def test_a_video_on_the_server_is_named_by_path_and_not_copied(client, place, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(VIDEO)
    (tmp_path / "clip.srt").write_text("1\n", "utf-8")
    body = {"path": f"{tmp_path}/clip.mp4", "script": f"{tmp_path}/clip.srt", "language": "ja"}
    answer = client.post("/videos", json=body)
    assert answer.status_code == 202
    record = receptions.load(place, answer.json()["id"])
    assert record is not None
    assert record.video == f"{tmp_path}/clip.mp4"
    assert record.script is not None
    assert place.get(record.script) == b"1\n"
    assert not [name for name in kept(place) if "/video" in name]


def test_a_script_is_uploaded_first_and_named_then(client, place):
    script = client.post("/scripts", params={"name": "a.SRT"}, content="1\n台本\n".encode())
    assert script.status_code == 201
    answer = upload(client, language="ja", script=script.json()["script"])
    assert answer.status_code == 202
    record = receptions.load(place, answer.json()["id"])
    assert record is not None
    assert record.script is not None
    assert place.get(record.script) == "1\n台本\n".encode()


def test_of_many_racing_requests_one_starts_the_run(client, fake):
    fake.honours_keys = False
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: upload(client), range(8)))
    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert fake.creates == 1


def test_a_reception_whose_start_was_lost_is_started_by_the_next_look(client, fake):
    fake.is_down = True
    answer = upload(client)
    assert (answer.status_code, answer.json()["state"]) == (202, "RECEIVED")
    asked = client.get(f"/receptions/{answer.json()['id']}")
    assert asked.status_code == 503
    assert "safe" in asked.json()["error"]["message"]
    fake.is_down = False
    assert client.get(f"/receptions/{answer.json()['id']}").json()["state"] == "RUNNING"
    assert fake.creates == 1


def test_a_new_process_starts_what_the_dead_one_only_recorded(settings, fake, place, serve):
    record = receptions.Reception(
        id=receptions.reception_id("f", None), fingerprint="f", name="v", video="/v", size=1, script=None,
        language="en", mode="balanced", duration=9.0, segment_seconds=60.0, segments=1,
    )  # fmt: skip
    receptions.create(place, record)
    with serve(settings, 0.05):
        wait_until(lambda: fake.creates == 1)
    with serve(settings) as client:
        assert client.get(f"/receptions/{record.id}").json()["state"] == "RUNNING"
    assert fake.creates == 1, "the second process must find the execution by its label"


def test_progress_is_counted_from_the_results_that_exist(client, place):
    reception = upload(client).json()["id"]
    put_json(place, receptions.result_name(reception, "ocr", 0), [])
    put_json(place, receptions.result_name(reception, "ocr", 3), [])
    put_json(place, receptions.result_name(reception, "speech"), {})
    put_json(place, receptions.timing_name(reception, "ocr", 0), {"seconds": 1.25})
    put_json(place, receptions.timing_name(reception, "ocr", 3), {"seconds": 2.5})
    view = client.get(f"/receptions/{reception}").json()
    assert view["branches"] == {
        "ocr": {"done": 2, "total": 5},
        "speech": {"done": 1, "total": 4},
        "report": {"done": 0, "total": 1},
    }
    assert view["progress"] == 0.315
    assert view["seconds"] == {"ocr": 3.75}


def test_a_finished_run_gives_its_report_and_stays_finished_without_the_platform(client, fake, place):
    reception = upload(client).json()["id"]
    assert client.get(f"/receptions/{reception}/report.json").status_code == 404
    place.put(f"receptions/{reception}/report.json", b"{}")
    place.put(f"receptions/{reception}/report.html", b"<p>")
    only(fake.executions)["state"] = "SUCCEEDED"
    view = client.get(f"/receptions/{reception}").json()
    assert view["state"] == "SUCCEEDED"
    fake.is_down = True
    assert client.get(f"/receptions/{reception}").json()["state"] == "SUCCEEDED"
    page = client.get(f"/receptions/{view['links']['report_html'].removeprefix('../receptions/')}")
    assert page.content == b"<p>"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert client.get(f"/receptions/{reception}/reception.json").status_code == 404


def test_a_failed_run_says_why_in_the_words_of_the_first_shard_that_failed(client, fake, place):
    reception = upload(client).json()["id"]
    put_json(place, receptions.error_name(reception, "report", 0), {"reason": "later"})
    put_json(place, receptions.error_name(reception, "ocr", 1), {"reason": "The picture stops at 0:31."})
    only(fake.executions)["state"] = "FAILED"
    view = client.get(f"/receptions/{reception}").json()
    assert (view["state"], view["reason"]) == ("FAILED", "The picture stops at 0:31.")


def test_a_failure_without_a_shard_gives_the_workflows_own_words(client, fake):
    reception = upload(client).json()["id"]
    only(fake.executions).update(state="FAILED", error={"payload": '{"message": "quota"}'})
    assert "quota" in client.get(f"/receptions/{reception}").json()["reason"]


def test_cancelling_ends_the_workflow_and_the_jobs_that_it_left_running(client, fake):
    reception = upload(client).json()["id"]
    fake.run_job(reception, 1)
    other = fake.run_job("r-" + "0" * 24, 2)
    answer = client.delete(f"/receptions/{reception}")
    assert (answer.status_code, answer.json()["state"]) == (200, "CANCELLED")
    assert only(fake.executions)["state"] == "CANCELLED"
    assert [name for name, e in fake.job_executions.items() if not e.get("completionTime")] == [other]
    assert client.get(f"/receptions/{reception}").json()["state"] == "CANCELLED"
    assert upload(client).json()["state"] == "CANCELLED"
    assert fake.creates == 1


def test_a_cancel_that_the_platform_did_not_hear_is_said_again_by_the_next_look(client, fake):
    reception = upload(client).json()["id"]
    fake.is_down = True
    assert client.delete(f"/receptions/{reception}").status_code == 503
    fake.is_down = False
    assert client.get(f"/receptions/{reception}").json()["state"] == "CANCELLED"


def test_a_reception_cancelled_before_it_was_started_is_never_started(client, fake):
    fake.is_down = True
    reception = upload(client).json()["id"]
    client.delete(f"/receptions/{reception}")
    fake.is_down = False
    assert client.get(f"/receptions/{reception}").json()["state"] == "CANCELLED"
    assert fake.creates == 0


def test_a_run_that_ends_without_a_report_has_failed(client, fake):
    reception = upload(client).json()["id"]
    only(fake.executions)["state"] = "SUCCEEDED"
    view = client.get(f"/receptions/{reception}").json()
    assert view["state"] == "FAILED"
    assert "no report" in view["reason"]


def test_cancelling_what_has_succeeded_changes_nothing(client, fake, place):
    reception = upload(client).json()["id"]
    place.put(f"receptions/{reception}/report.html", b"<p>")
    only(fake.executions)["state"] = "SUCCEEDED"
    assert client.delete(f"/receptions/{reception}").json()["state"] == "SUCCEEDED"


def test_all_receptions_are_listed_even_while_the_platform_is_down(client, fake):
    ids = {upload(client).json()["id"], upload(client, key="2").json()["id"]}
    fake.is_down = True
    listed = client.get("/receptions").json()["receptions"]
    assert {view["id"] for view in listed} == ids


def test_an_upload_that_breaks_off_leaves_nothing(client, place, tmp_path):
    with socket.create_connection((client.base_url.host, client.base_url.port)) as raw:
        raw.sendall(
            b"POST /videos HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: 9999\r\n\r\nVIDEO"
        )
    wait_until(lambda: not [found for found in tmp_path.rglob("*") if found.is_file()])
    assert kept(place) == []


def test_settings_report_every_problem_together():
    with pytest.raises(BadSettings, match=r"OUTPUT_URI.*GOOGLE_CLOUD_PROJECT.*TELOP_SEGMENT_SECONDS"):
        from_environment({"GOOGLE_CLOUD_LOCATION": "l", "TELOP_SEGMENT_SECONDS": "x"})


def test_lists_of_words_are_uploaded_first_and_decide_on_what_is_the_same(client, place):
    listed = client.post("/lists", params={"name": "terms.csv"}, content=b"term\nJubako\n")
    assert listed.status_code == 201
    plain = upload(client).json()["id"]
    view = upload(client, glossary=listed.json()["list"], ng_words=listed.json()["list"]).json()
    assert view["id"] != plain
    record = receptions.load(place, view["id"])
    assert record is not None
    assert record.glossary is not None
    assert place.get(record.glossary) == b"term\nJubako\n"
    assert record.ng_words is not None
    assert record.speech_parts == 4


def test_events_tell_how_far_it_is_until_it_has_ended(client, place):
    reception = upload(client).json()["id"]
    receptions.finish(place, reception, "FAILED", "clip.mp4 is cut off.")
    answer = client.get(f"/receptions/{reception}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("event: progress\n")
    assert answer.text.endswith('event: end\ndata: {"state": "FAILED", "reason": "clip.mp4 is cut off."}\n\n')
    assert client.get(f"/receptions/r-{'9' * 24}/events").status_code == 404
