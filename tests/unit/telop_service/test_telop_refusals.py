import json
import os

import httpx
import pytest

VIDEO = b"VIDEO" + bytes(range(256)) * 400


def upload(client: httpx.Client, data: bytes, **query: str) -> httpx.Response:
    return client.post("/videos", params=query, content=data, headers={"Content-Type": "video/mp4"})


@pytest.mark.parametrize(
    ("query", "data", "status", "words"),
    [
        ({}, b"", 400, "not one byte"),
        ({}, b"<html>", 422, "is not a video"),
        ({"name": "../../etc/pass\nwd.mp4"}, b"junk", 422, "passwd.mp4 is not a video"),
        ({}, VIDEO * 3, 413, "larger than 200000 bytes"),
        ({}, b"VIDEO-", 422, "no sound"),
        ({"language": "ja"}, VIDEO, 422, "script is needed"),
        ({"language": "fr"}, VIDEO, 400, "language"),
        ({"lang": "en"}, VIDEO, 400, "lang"),
        ({"segment_seconds": "nan"}, VIDEO, 400, "segment_seconds"),
        ({"segment_seconds": "0.1"}, VIDEO, 400, "segment_seconds"),
        ({"script": "s-0123456789abcdef0123456789abcdef.srt"}, VIDEO, 422, "not uploaded"),
        ({"glossary": "l-0123456789abcdef0123456789abcdef.csv"}, VIDEO, 422, "not uploaded"),
        ({"ng_words": "/etc/hostname"}, VIDEO, 403, "only files under"),
        ({"script": "../x.srt"}, VIDEO, 400, "absolute path"),
        ({"script": "/nowhere/x.srt"}, VIDEO, 422, "cannot be read"),
        ({"script": "/etc/hostname"}, VIDEO, 403, "only files under"),
    ],
)
def test_what_can_be_refused_is_refused_with_a_sentence_and_leaves_nothing(
    refusing, query, data, status, words
):
    answer = upload(refusing.client, data, **query)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert ".partial" not in answer.text
    assert list(refusing.place.list()) == []
    assert refusing.fake.executions == {}


def test_a_body_that_is_too_large_without_saying_so_beforehand_is_cut_off(refusing):
    chunks = (bytes(10_000) for _ in range(40))
    answer = refusing.client.post("/videos", content=chunks, headers={"Content-Type": "video/mp4"})
    assert answer.status_code == 413
    assert list(refusing.place.list()) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (None, 400),
        ("clip.mp4", 400),
        ("{tmp}/nothing.mp4", 422),
        ("{tmp}", 422),
        ("{tmp}/pipe", 422),
        ("{tmp}/link", 403),
        ("{tmp}/../../../../../../etc/passwd", 403),
        ("/proc/self/environ", 403),
        ("{tmp}/a\0b", 400),
        ("{tmp}/" + "x" * 5000, 422),
        ("{tmp}/\ud800", 422),
        (["x"], 400),
    ],
)
def test_hostile_paths_are_refused(refusing, path, status):
    directory = refusing.directory
    for name in ("pipe", "link"):
        (directory / name).unlink(missing_ok=True)
    os.mkfifo(directory / "pipe")
    (directory / "link").symlink_to("/etc/passwd")
    if isinstance(path, str):
        path = path.replace("{tmp}", str(directory))
    data = json.dumps({"path": path})
    answer = refusing.client.post("/videos", content=data, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert list(refusing.place.list()) == []


@pytest.mark.parametrize("body", ["", "[]", "{", "[" * 30_000, '{"path": "/x", "extra": 1}', "x" * 70_000])
def test_bad_json_is_refused(refusing, body):
    answer = refusing.client.post("/videos", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 413}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_types_that_a_web_page_could_send_unasked_are_refused(refusing, kind):
    answer = refusing.client.post("/videos", content=VIDEO, headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert list(refusing.place.list()) == []


@pytest.mark.parametrize("identifier", ["r-" + "0" * 24, "x", "..", "%2e%2e", "r-%00", "あ"])
def test_an_unknown_reception_is_not_found(refusing, identifier):
    for call in (refusing.client.get, refusing.client.delete):
        answer = call(f"/receptions/{identifier}")
        assert answer.status_code in {404, 405}
        assert answer.json()["error"]["code"] == answer.status_code


def test_what_data_says_beyond_true_and_false_removes_nothing(refusing):
    answer = refusing.client.delete("/receptions/r-" + "0" * 24, params={"data": "True"})
    assert answer.status_code == 400
    assert "true, false" in answer.json()["error"]["message"]


def test_a_method_that_is_not_known_is_answered_with_those_that_are(refusing):
    answer = refusing.client.put("/receptions/r-" + "0" * 24)
    assert answer.status_code == 405
    assert {method.strip() for method in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "DELETE"}
