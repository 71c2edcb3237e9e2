"""Connectors of services that are not played here go to the real Google, where that is allowed: here to a fake one."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jubako.identity.keys import new_key, pem_of
from jubako.testing.server import PARENT, ApiError, ServerProcess

# Tests of this folder share a Google: the repository's root must be importable.
sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.acceptance.server.fake_google import FakeGoogle, serve

WORKFLOWS = f"/v1/{PARENT}/workflows"
BOOKS = "googleapis.library.v1.shelves.books"


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeGoogle]:
    google = FakeGoogle()
    server = serve(google)
    yield google
    server.shutdown()
    server.server_close()


@pytest.fixture
def google(shared: FakeGoogle) -> FakeGoogle:
    shared.calls.clear()
    shared.failures.clear()
    shared.looks, shared.operation_elsewhere = 0, False
    return shared


def flags(google: FakeGoogle, file: Path) -> list[str]:
    address = f"{google.address}/discovery/{{service}}/{{version}}"
    return ["--google-credentials", str(file), "--google-discovery", address]


@pytest.fixture(scope="module")
def server(shared: FakeGoogle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    place = tmp_path_factory.mktemp("google")
    key = {
        "type": "service_account",
        "client_email": "robot@project.iam.gserviceaccount.com",
        "private_key_id": "k1",
        "private_key": pem_of(new_key()).decode(),
        "token_uri": f"{shared.address}/token",
    }
    (place / "key.json").write_text(json.dumps(key))
    with ServerProcess(place / "state", flags=flags(shared, place / "key.json")) as server:
        yield server


def run(server: ServerProcess, name: str, source: str) -> Any:
    server.post(f"{WORKFLOWS}?workflowId={name}", {"sourceContents": source})
    return server.post(f"/jubako{WORKFLOWS}/{name}:run", {})


def test_a_method_is_called_as_its_discovery_document_says(server: ServerProcess, google: FakeGoogle) -> None:
    source = f"""\
- create:
    call: {BOOKS}.create
    args: {{shelf: "a b/c", tag: [x, y], body: {{title: Iliad}}}}
    result: book
- read:
    call: {BOOKS}.get
    args: {{name: shelves/s/books/1, fields: title}}
    result: seen
- done: {{return: ["${{book.given.title}}", "${{seen.path}}"]}}
"""
    ended = run(server, "library", source)
    assert json.loads(ended.get("result", "null")) == ["Iliad", "/v1/shelves/s/books/1"], ended
    ((verb, _, query, headers, body),) = google.sent("/v1/shelves/a%20b%2Fc/books")
    assert (verb, query["tag"], json.loads(body)) == ("POST", ["x", "y"], {"title": "Iliad"})
    assert len(query["requestId"][0]) == 36
    assert headers["authorization"].startswith("Bearer token-")
    assert google.sent("/v1/shelves/s/books/1")[0][2] == {"fields": ["title"]}


def test_tokens_are_bought_with_a_signed_assertion_and_kept(
    server: ServerProcess, google: FakeGoogle
) -> None:
    call = f"{{call: {BOOKS}.get, args: {{name: shelves/s/books/1}}}}"
    run(server, "often", f"- a: {call}\n- b: {call}\n- c: {call}\n")
    assert len(google.sent("/v1/shelves/s/books/1")) == 3
    assert len(google.sent("/token")) <= 1
    assert google.assertions == 1
    assert google.claims["iss"] == "robot@project.iam.gserviceaccount.com"
    assert google.claims["aud"] == f"{google.address}/token"
    assert google.claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"


def test_operations_are_polled_until_they_are_done(server: ServerProcess, google: FakeGoogle) -> None:
    policy = "connector_params: {polling_policy: {initial_delay: 0.05}}"
    call = f"{{call: {BOOKS}.reprint, args: {{name: shelves/s/books/1, {policy}}}, result: r}}"
    source = f"- a: {call}\n- b: {{return: '${{r}}'}}"
    ended = run(server, "reprint", source)
    assert json.loads(ended.get("result", "null")) == {"pages": 7}, ended
    assert google.looks == 2


def test_operations_of_compute_engines_family_are_polled_by_their_link(
    server: ServerProcess, google: FakeGoogle
) -> None:
    policy = "connector_params: {polling_policy: {initial_delay: 0.05}}"
    call = f"{{call: googleapis.machines.v1.machines.insert, args: {{project: p, {policy}}}, result: r}}"
    source = f"- a: {call}\n- b: {{return: '${{r.status}}'}}"
    assert json.loads(run(server, "insert", source)["result"]) == "DONE"
    google.looks, google.operation_elsewhere = 0, True
    ended = server.post(f"/jubako{WORKFLOWS}/insert:run", {})
    assert "which is not Google's" in ended["error"]["context"]


def test_what_passes_is_tried_again_and_what_does_not_is_an_http_error(
    server: ServerProcess, google: FakeGoogle
) -> None:
    source = f"- a: {{call: {BOOKS}.get, args: {{name: shelves/s/books/1}}, result: r}}\n- b: {{return: '${{r.path}}'}}"
    google.failures += [503]
    assert json.loads(run(server, "patient", source)["result"]) == "/v1/shelves/s/books/1"
    google.failures += [403]
    ended = server.post(f"/jubako{WORKFLOWS}/patient:run", {})
    error = json.loads(ended["error"]["payload"])
    assert (error["tags"], error["code"], error["message"]) == (["HttpError"], 403, "not now")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (f"{BOOKS}.burn", "has no method shelves.books.burn (it has shelves.books.create, shelves.books.get"),
        ("googleapis.nothing.v9.things.get", "Google has no API nothing v9"),
        ("googleapis.run.v2.projects.locations.jobs.burn", "unknown connector"),
    ],
)
def test_what_google_does_not_have_is_refused_at_deployment(
    server: ServerProcess, call: str, told: str
) -> None:
    with pytest.raises(ApiError) as refused:
        server.post(f"{WORKFLOWS}?workflowId=refused", {"sourceContents": f"- a: {{call: {call}}}"})
    assert refused.value.status == "INVALID_ARGUMENT"
    assert refused.value.message.startswith("failed to build: 1:")
    assert told in refused.value.message


def test_wrong_arguments_are_a_value_error(server: ServerProcess) -> None:
    ended = run(server, "wrong", f"- a: {{call: {BOOKS}.create, args: {{shelf: s, colour: red}}}}")
    error = json.loads(ended["error"]["payload"])
    assert error["tags"] == ["ValueError"]
    assert "no argument colour; known: body, alt, requestId, shelf, tag" in error["message"]
    ended = run(server, "missing", f"- a: {{call: {BOOKS}.create, args: {{tag: s}}}}")
    assert "needs the argument shelf" in ended["error"]["payload"]


def test_credentials_that_google_refuses_are_an_auth_error(google: FakeGoogle, tmp_path: Path) -> None:
    file = tmp_path / "adc.json"
    told = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "bad"}
    file.write_text(json.dumps({**told, "token_uri": f"{google.address}/token"}))
    with ServerProcess(tmp_path / "state", flags=flags(google, file)) as server:
        ended = run(server, "refused", f"- a: {{call: {BOOKS}.get, args: {{name: shelves/s/books/1}}}}")
    error = json.loads(ended["error"]["payload"])
    assert error["tags"] == ["AuthError"]
    assert "Token has been revoked." in error["message"]
    assert google.sent("/v1/shelves/s/books/1") == []


def test_default_is_where_googles_libraries_look(google: FakeGoogle, tmp_path: Path) -> None:
    file = tmp_path / "gcloud" / "application_default_credentials.json"
    file.parent.mkdir()
    told = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "good"}
    file.write_text(json.dumps({**told, "token_uri": f"{google.address}/token", "quota_project_id": "payer"}))
    words = flags(google, Path("default"))
    environment = {"CLOUDSDK_CONFIG": str(file.parent), "GOOGLE_APPLICATION_CREDENTIALS": ""}
    with ServerProcess(tmp_path / "state", flags=words, environment=environment) as server:
        run(server, "adc", f"- a: {{call: {BOOKS}.get, args: {{name: shelves/s/books/1}}}}")
    assert google.sent("/token")[0][4].startswith(b"grant_type=refresh_token&client_id=i&")
    assert google.sent("/v1/shelves/s/books/1")[0][3]["x-goog-user-project"] == "payer"


def test_credentials_that_cannot_work_are_refused_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"google-credentials: .*key\.json cannot be read: No such file"):
        ServerProcess(tmp_path / "state", flags=["--google-credentials", str(tmp_path / "key.json")]).start()
    assert not (tmp_path / "state").exists()
