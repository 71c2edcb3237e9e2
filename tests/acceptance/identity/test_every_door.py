"""With authentication no door opens without a good token, and with strict IAM none without a role."""

import asyncio
import http.client
import os
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from jubako.core.faults import NoFaults
from jubako.identity.access import UNBOUND
from jubako.identity.invoker import Rules
from jubako.identity.keys import SigningKey, encoded
from jubako.identity.tokens import ACCESS, API_AUDIENCE, ID, ISSUER
from jubako.runtime.process import ProcessRuntime
from jubako.runtime.system import SystemClock, SystemIds
from jubako.server.boxes import MIGRATED
from jubako.server.ground import Ground
from jubako.server.house import House
from jubako.server.identities import identities
from jubako.server.state_dir import StateDirectory
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.testing.events import RecordedEvents
from jubako.testing.server import ServerProcess

Way = tuple[str, str]
NOBODY = "nobody@local.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    state = tmp_path_factory.mktemp("strict") / "state"
    with ServerProcess(state, flags=["--auth", "--strict-iam"]) as server:
        yield server


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Way], list[str]]:
    """Return all HTTP ways and all gRPC methods, from a server that is put together and not opened."""
    path = tmp_path_factory.mktemp("doors") / "state"

    async def look(state: StateDirectory) -> tuple[list[Way], list[str]]:
        clock, events = SystemClock(), RecordedEvents()
        store = SqliteStore(state.database, clock, load(*MIGRATED), NoFaults())
        ground = Ground(
            state=state,
            store=store,
            runtime=ProcessRuntime(state.path, events),
            clock=clock,
            wall=clock,
            ids=SystemIds(),
            events=events,
            faults=NoFaults(),
            sockets=path / "sockets",
            base_url="http://127.0.0.1:1",
            environment={},
            working_dir=str(path),
            grace=timedelta(seconds=1),
        )
        house = House(ground, identities(ground, os.environ, Rules(), ()), None)
        await store.close()
        return house.ways(), house.methods()

    with StateDirectory(path) as state:
        return asyncio.run(look(state))


@pytest.fixture
def client(strict: ServerProcess) -> Iterator["Http"]:
    client = Http(strict)
    yield client
    client.close()


@pytest.fixture(scope="module")
def bad(strict: ServerProcess) -> dict[str, str | None]:
    return {"none": None, **bad_tokens(strict)}


def bad_tokens(server: ServerProcess) -> dict[str, str]:
    """Return tokens that the install's own key signed (or seems to have), each with one thing wrong."""
    key = SigningKey.load(server.state_dir / "identity" / "signing.key")
    now = int(time.time())
    good = {"iss": ISSUER, "aud": API_AUDIENCE, "email": NOBODY, "sub": "1", "iat": now, "exp": now + 600}
    body = key.sign(good, ACCESS).split(".")[1]
    none = encoded(b'{"alg":"none","kid":"%s","typ":"at+jwt"}' % key.id.encode())
    return {
        "expired": key.sign({**good, "iat": now - 7200, "exp": now - 3600}, ACCESS),
        "wrong audience": key.sign({**good, "aud": "https://other.example"}, ACCESS),
        "ID token": key.sign(good, ID),
        "alg none": f"{none}.{body}.",
        "owner that says so itself": f"{none}.{encoded(b'{}')}.",
        "garbage": "garbage",
    }


@pytest.fixture(scope="module")
def powerless(strict: ServerProcess) -> str:
    """Return a good token of an account without any role."""
    key = SigningKey.load(strict.state_dir / "identity" / "signing.key")
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": API_AUDIENCE, "email": NOBODY, "sub": "1", "iat": now, "exp": now + 600}
    return key.sign(claims, ACCESS)


def filled(template: str) -> str:
    return re.sub(r"\{[\w.]+=?([^}]*)\}", lambda m: (m[1] or "x").replace("*", "x"), template)


class Http:
    def __init__(self, server: ServerProcess) -> None:
        self._connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=30)

    def close(self) -> None:
        self._connection.close()

    def status(self, verb: str, path: str, token: str | None) -> int:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._connection.request(verb, path, headers=headers)
        reply = self._connection.getresponse()
        reply.read()
        return reply.status


def grpc_code(channel: grpc.Channel, method: str, token: str | None) -> grpc.StatusCode:
    service, _, name = method.rpartition(".")
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    try:
        channel.unary_unary(f"/{service}/{name}")(b"", metadata=metadata, timeout=30)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def test_without_authentication_a_bad_token_opens_no_door_either_and_a_good_one_does(
    server: ServerProcess, doors: tuple[list[Way], list[str]]
) -> None:
    client, tokens = Http(server), bad_tokens(server)
    opened = [
        (verb, template, name)
        for verb, template in doors[0]
        for name, token in tokens.items()
        if client.status(verb, filled(template), token) != 401
    ]
    assert not opened
    environment = server.get("/jubako/v1/environment?project=p&location=l")["set"]
    good = Path(environment["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]).read_text()
    assert client.status("GET", "/v2/projects/p/locations/l/jobs", good) == 200
    client.close()


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


def test_there_are_many_doors(doors: tuple[list[Way], list[str]]) -> None:
    ways, methods = doors
    assert len(set(ways)) > 100
    assert len(methods) > 50
    assert any("/apis/" in path for _, path in ways)
    assert any("callbacks" in path for _, path in ways)
    assert any("openapi" in path for _, path in ways)


def test_http_opens_no_door_without_a_good_token(
    client: "Http", doors: tuple[list[Way], list[str]], bad: dict[str, str | None]
) -> None:
    opened = [
        (verb, template, name)
        for verb, template in doors[0]
        for name, token in bad.items()
        if client.status(verb, filled(template), token) != 401
    ]
    assert not opened


def test_http_opens_no_door_without_a_role(
    client: "Http", doors: tuple[list[Way], list[str]], powerless: str
) -> None:
    free = {way for way in doors[0] if re.search("openapi|discovery|:testIamPermissions", way[1])}
    opened = [
        (verb, template, status)
        for verb, template in doors[0]
        if (verb, template) not in free
        and (status := client.status(verb, filled(template), powerless)) != 403
        # What is about nothing in its path is refused when its body has said what it is about.
        and not template.startswith("/v2/entries:")
    ]
    assert not opened
    assert {"jubako.documents.get", "jubako.permissions.test"} == UNBOUND


def test_grpc_opens_no_door_without_a_good_token(
    strict: ServerProcess, doors: tuple[list[Way], list[str]], bad: dict[str, str | None], powerless: str
) -> None:
    with grpc.insecure_channel(strict.address.removeprefix("http://")) as channel:
        opened = [
            (method, name)
            for method in doors[1]
            for name, token in bad.items()
            if grpc_code(channel, method, token) is not grpc.StatusCode.UNAUTHENTICATED
        ]
        assert not opened
        asked = [method for method in doors[1] if not method.endswith(".TestIamPermissions")]
        codes = {method: grpc_code(channel, method, powerless) for method in asked}
    assert set(codes.values()) == {grpc.StatusCode.PERMISSION_DENIED}, codes


def test_what_needs_no_token_tells_nothing_of_anybody(client: "Http") -> None:
    assert client.status("GET", "/healthz", None) == 200
    assert client.status("GET", "/oauth2/v3/certs", None) == 200
    assert client.status("POST", "/token", None) == 400
    assert client.status("GET", "/tokeninfo", None) == 400
    assert client.status("GET", "/nothing/at/all", None) == 401
    assert client.status("GET", "/run/p/l/no-such-service/", None) == 404


def test_the_owner_gets_in_by_the_state_directory_and_by_the_command_line(strict: ServerProcess) -> None:
    assert strict.get("/v2/projects/local/locations/l/jobs") == {}
    token: Path = strict.state_dir / "identity" / "owner.token"
    assert token.stat().st_mode & 0o077 == 0
