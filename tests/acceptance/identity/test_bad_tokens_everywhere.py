"""No way in believes a bad token: every HTTP rule, every gRPC method, routes of ours, metadata, CONNECT."""

import http.client
import re
import time
from collections.abc import Iterator

import grpc
import pytest

from jubako.boxes.jobs import methods as jobs
from jubako.boxes.services import methods as services
from jubako.boxes.workflows import methods as workflows
from jubako.identity import credentials_api
from jubako.identity.keys import SigningKey, encoded
from jubako.identity.tokens import ACCESS, API_AUDIENCE, ID, ISSUER
from jubako.testing.server import ServerProcess
from jubako.wire.method import Method
from jubako.wire.operations_api import operations_methods

METHODS: list[Method] = [
    *jobs.JOBS,
    *jobs.EXECUTIONS,
    *jobs.TASKS,
    *services.SERVICES,
    *services.REVISIONS,
    *workflows.WORKFLOWS,
    *workflows.EXECUTIONS,
    *credentials_api.METHODS,
    *operations_methods("run", "v2"),
]
ROUTES = [
    ("GET", "/jubako/v1/environment?project=p&location=l"),
    ("POST", "/jubako/v1/projects/p/serviceAccounts/a/keys"),
    ("GET", "/jubako/v1/projects/p/locations/l/jobs/j/executions/e/logs"),
]
Bad = dict[str, str]


@pytest.fixture(scope="module")
def bad(server: ServerProcess) -> Bad:
    """Return tokens that this install's own key signed (or seems to have), each with one thing wrong."""
    key = SigningKey.load(server.state_dir / "identity" / "signing.key")
    now = int(time.time())
    good = {"iss": ISSUER, "aud": API_AUDIENCE, "email": "a@b.c", "iat": now, "exp": now + 600}
    body = key.sign(good, ACCESS).split(".")[1]
    none = encoded(b'{"alg":"none","kid":"%s","typ":"at+jwt"}' % key.id.encode())
    return {
        "expired": key.sign({**good, "iat": now - 7200, "exp": now - 3600}, ACCESS),
        "wrong audience": key.sign({**good, "aud": "https://other.example"}, ACCESS),
        "ID token": key.sign(good, ID),
        "alg none": f"{none}.{body}.",
        "garbage": "garbage",
    }


def ways() -> Iterator[tuple[str, str]]:
    for method in METHODS:
        for rule in method.http:
            yield rule.verb, re.sub(r"\{\w+=?([^}]*)\}", lambda m: (m[1] or "x").replace("*", "x"), rule.path)
    yield from ROUTES


def status(connection: http.client.HTTPConnection, verb: str, path: str, token: str) -> int:
    connection.request(verb, path, headers={"authorization": f"Bearer {token}"})
    reply = connection.getresponse()
    reply.read()
    return reply.status


def test_http_refuses_every_bad_token_at_every_rule(server: ServerProcess, bad: Bad) -> None:
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=30)
    believed = [
        (verb, path, name)
        for verb, path in ways()
        for name, token in bad.items()
        if status(connection, verb, path, token) != 401
    ]
    connection.close()
    assert not believed


def test_grpc_refuses_every_bad_token_at_every_method(server: ServerProcess, bad: Bad) -> None:
    believed = []
    with grpc.insecure_channel(server.address.removeprefix("http://")) as channel:
        for method in METHODS:
            service, _, name = method.name.rpartition(".")
            call = channel.unary_unary(f"/{service}/{name}")
            for what, token in bad.items():
                try:
                    call(b"", metadata=(("authorization", f"Bearer {token}"),), timeout=30)
                except grpc.RpcError as error:
                    if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                        continue
                believed.append((method.name, what))
    assert not believed


def test_a_good_token_of_the_same_key_is_believed(server: ServerProcess) -> None:
    key = SigningKey.load(server.state_dir / "identity" / "signing.key")
    now = int(time.time())
    token = key.sign(
        {"iss": ISSUER, "aud": API_AUDIENCE, "email": "a@b.c", "iat": now, "exp": now + 600}, ACCESS
    )
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=30)
    assert status(connection, "GET", "/v2/projects/p/locations/l/jobs", token) == 200
    connection.close()


def test_metadata_tells_nothing_without_its_header(server: ServerProcess) -> None:
    environment = server.get("/jubako/v1/environment?project=p&location=l")["set"]
    connection = http.client.HTTPConnection(environment["GCE_METADATA_HOST"], timeout=30)
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    for headers, wanted in (({}, 403), ({"Metadata-Flavor": "Google"}, 200)):
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        reply.read()
        assert reply.status == wanted
    connection.close()
