"""The second opinion, asked of a real server that answers well, badly, late, or not at all."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("httpx")

from jubako_apps.telop.findings import Finding
from jubako_apps.telop.hosted import Endpoint, endpoint_from
from jubako_apps.telop.second import ASKED_MAX, VARIABLES, Opinion, opinions

FINDING = Finding(
    id="7-4-homophone", telop_id=7, start=61.2, end=64.0, kind="homophone", telop="The whether is fine", offset=4,
    wrong="whether", right="weather", said="The weather is fine.", confidence=0.92, severity="high",
)  # fmt: skip
SECRET = "sk-very-secret"


def answered(content: object) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def told(**opinion: Any) -> bytes:
    return answered(json.dumps({"opinions": [opinion]}))


def adviser(model: Any) -> Endpoint:
    return Endpoint(url=model.url, model="m", key=SECRET)


def test_the_adviser_is_asked_about_texts_only_and_its_verdict_comes_back(hosted):
    model = hosted(told(id=FINDING.id, verdict="error", reason="A homophone."))
    assert opinions(adviser(model), [FINDING]) == {
        FINDING.id: Opinion(verdict="error", reason="A homophone.")
    }
    [(path, headers, body)] = model.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert body["model"] == "m"
    assert json.loads(body["messages"][1]["content"])["items"][0]["wrong"] == "whether"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<html>", b"[]", b"{}", answered("I think it is fine."), answered('{"opinions": 5}'),
        answered("[" * 5000), answered("[]"), answered(None),
        told(id="another", verdict="error"), told(id=FINDING.id, verdict="maybe"), told(id=5, verdict="fine"),
        b"x" * 300_000,
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_no_opinion(hosted, data):
    assert opinions(adviser(hosted(data)), [FINDING]) == {}


def test_what_comes_back_is_a_short_plain_text(hosted):
    evil = told(id=FINDING.id, verdict="fine", reason="a\n\0\u202e" + "<script>" * 100)
    reason = opinions(adviser(hosted(evil)), [FINDING])[FINDING.id].reason
    assert reason.isprintable()
    assert len(reason) == 200


@pytest.mark.parametrize("status", [401, 429, 500, 302])
def test_a_refusal_is_no_opinion_and_the_key_is_not_logged(hosted, status, capsys):
    model = hosted(b"{}", status)
    assert opinions(adviser(model), [FINDING]) == {}
    printed = capsys.readouterr()
    assert f"no second opinion: status {status}" in printed.out
    assert SECRET not in printed.out + printed.err + repr(adviser(model))
    assert "127.0.0.1" not in printed.out
    assert len(model.asked) == 1


@pytest.mark.parametrize("manner", ["silent", "dripping"])
def test_the_report_waits_no_longer_than_it_may(hosted, slow, manner):
    model = hosted(slow(manner))
    began = time.monotonic()
    assert opinions(adviser(model), [FINDING], time_s=0.3) == {}
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("key", ["", SECRET + "\n", SECRET + "é"])
def test_nobody_there_or_an_unusable_key_is_no_opinion_and_neither_is_logged(key, capsys):
    nobody = Endpoint(url="http://127.0.0.1:1/v1", model="m", key=key)
    assert opinions(nobody, [FINDING]) == {}
    assert SECRET not in capsys.readouterr().out


def test_nothing_found_is_not_asked(hosted):
    model = hosted(b"")
    assert opinions(adviser(model), []) == {}
    assert model.asked == []


def test_only_so_many_findings_are_asked_about(hosted):
    many = [replace(FINDING, id=str(number)) for number in range(3 * ASKED_MAX)]
    model = hosted(told(id="0", verdict="fine"))
    assert set(opinions(adviser(model), many)) == {"0"}
    assert len(json.loads(model.asked[0][2]["messages"][1]["content"])["items"]) == ASKED_MAX


def test_nobody_is_asked_unless_somebody_is_named():
    assert endpoint_from({}, VARIABLES) is None
    assert endpoint_from({"TELOP_SECOND_OPINION_URL": "models.example"}, VARIABLES) is None
    named = {"TELOP_SECOND_OPINION_URL": "http://h/v1/", "TELOP_SECOND_OPINION_MODEL": "m"}
    assert endpoint_from(named, VARIABLES) == Endpoint(url="http://h/v1", model="m")
