"""The second reading, asked of a real server that reads well, badly, late, or not at all."""

import base64
import json
import time
from typing import Any

import pytest

pytest.importorskip("httpx")

from jubako_apps.telop.hosted import Endpoint, endpoint_from
from jubako_apps.telop.reread import ASKED_MAX, TEXT_LENGTH_MAX, VARIABLES, readings

SECRET = "sk-very-secret"
CROPS = {7: b"\xff\xd8 seven", 9: b"\xff\xd8 nine"}


def answered(content: object) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def reader(model: Any) -> Endpoint:
    return Endpoint(url=model.url, model="sees", key=SECRET)


def picture_in(body: Any) -> bytes:
    [message] = body["messages"]
    [_, picture] = message["content"]
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    return base64.b64decode(data)


def test_each_picture_is_shown_to_the_reader_and_what_it_says_is_the_reading_of_that_telop(hosted):
    def read(handler: Any) -> None:
        data = answered("It says " + picture_in(model.asked[-1][2]).decode("latin-1")[-4:])
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    model = hosted(read)
    # One at a time, so that the newest question is the one being answered.
    assert readings(reader(model), {7: CROPS[7]}) == {7: "It says even"}
    assert readings(reader(model), {9: CROPS[9]}) == {9: "It says nine"}
    path, headers, body = model.asked[0]
    assert (path, headers["Authorization"], body["model"]) == (
        "/v1/chat/completions",
        f"Bearer {SECRET}",
        "sees",
    )
    assert picture_in(body) == CROPS[7]


def test_several_pictures_are_read_and_nothing_but_the_pictures_is_sent(hosted):
    model = hosted(answered("津波注意報"))
    assert readings(reader(model), CROPS) == dict.fromkeys(CROPS, "津波注意報")
    assert sorted(picture_in(body) for _, _, body in model.asked) == sorted(CROPS.values())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<html>", b"[]", b"{}", b"\xff\xfe", answered(None), answered(5), answered(""), answered(" \n"),
        b"x" * 300_000,
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_no_reading(hosted, data):
    assert readings(reader(hosted(data)), CROPS) == {}


def test_what_comes_back_is_a_short_plain_line(hosted):
    evil = answered("a\n\0\u202eb " + "<script>" * 100_00)
    text = readings(reader(hosted(evil)), {7: CROPS[7]})[7]
    assert text.startswith("a b <script>")
    assert text.isprintable()
    assert len(text) == TEXT_LENGTH_MAX


@pytest.mark.parametrize("status", [302, 401, 403, 429, 500])
def test_who_refuses_is_not_asked_for_every_picture_and_the_key_is_not_logged(hosted, status, capsys):
    model = hosted(b"{}", status)
    assert readings(reader(model), dict.fromkeys(range(40), b"picture")) == {}
    assert len(model.asked) < 10
    printed = capsys.readouterr()
    assert f"not every second reading: status {status}" in printed.out
    assert SECRET not in printed.out + printed.err
    assert "127.0.0.1" not in printed.out


@pytest.mark.parametrize("manner", ["silent", "dripping"])
def test_the_report_waits_no_longer_than_it_may(hosted, slow, manner):
    began = time.monotonic()
    assert readings(reader(hosted(slow(manner))), dict.fromkeys(range(20), b"picture"), time_s=0.3) == {}
    assert time.monotonic() - began < 2.0


def test_only_so_many_pictures_are_shown_and_without_any_nobody_is_asked(hosted):
    model = hosted(answered("text"))
    assert readings(reader(model), {}) == {}
    assert model.asked == []
    assert set(readings(reader(model), dict.fromkeys(range(3 * ASKED_MAX), b"picture"))) == set(
        range(ASKED_MAX)
    )
    assert len(model.asked) == ASKED_MAX


def test_the_reader_has_an_address_of_its_own_and_the_adviser_sees_no_pictures():
    assert endpoint_from({"TELOP_SECOND_OPINION_URL": "http://h/v1"}, VARIABLES) is None
    named = {"TELOP_SECOND_READING_URL": "http://h/v1", "TELOP_SECOND_READING_KEY": SECRET}
    found = endpoint_from(named, VARIABLES)
    assert found == Endpoint(url="http://h/v1", model="", key=SECRET)
    assert SECRET not in repr(found)
