"""The metadata server's answers."""

import json

import pytest

from jubako.identity.accounts import Home, email_of
from jubako.identity.metadata import Metadata
from jubako.identity.tokens import Tokens
from jubako.wire.http import HttpRequest, HttpResponse

ACCOUNT = "batch@proj.iam.gserviceaccount.com"
FLAVOR = {"metadata-flavor": "Google"}
BASE = "/computeMetadata/v1"


@pytest.fixture
def metadata(tokens: Tokens) -> Metadata:
    return Metadata(Home("proj", "asia-northeast1", ACCOUNT), tokens)


def get(metadata: Metadata, path: str, query: str = "", **headers: str) -> HttpResponse:
    given = {**FLAVOR, **{name.replace("_", "-"): value for name, value in headers.items()}}
    reply = metadata.answer(HttpRequest(method="GET", path=path, query=query, headers=given))
    assert reply.headers["metadata-flavor"] == "Google"
    return reply


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/project/project-id", "proj"),
        ("/universe/universe-domain", "googleapis.com"),
        ("/instance/service-accounts/default/email", ACCOUNT),
        (f"/instance/service-accounts/{ACCOUNT}/email", ACCOUNT),
        ("/instance/service-accounts/", f"{ACCOUNT}/\ndefault/\n"),
    ],
)
def test_facts(metadata: Metadata, path: str, text: str) -> None:
    reply = get(metadata, BASE + path)
    assert (reply.status, reply.body.decode()) == (200, text)


def test_numbers_and_places(metadata: Metadata) -> None:
    number = get(metadata, f"{BASE}/project/numeric-project-id").body.decode()
    assert number.isdigit()
    region = get(metadata, f"{BASE}/instance/region").body.decode()
    assert region == f"projects/{number}/regions/asia-northeast1"
    assert get(metadata, f"{BASE}/instance/id").body


def test_recursive_answers_are_json(metadata: Metadata) -> None:
    account = json.loads(get(metadata, f"{BASE}/instance/service-accounts/default/", "recursive=true").body)
    assert account["email"] == ACCOUNT
    assert account["aliases"] == ["default"]
    whole = json.loads(get(metadata, f"{BASE}/", "recursive=true").body)
    assert whole["project"]["projectId"] == "proj"


def test_tokens_are_the_accounts(metadata: Metadata, tokens: Tokens) -> None:
    reply = json.loads(get(metadata, f"{BASE}/instance/service-accounts/default/token", "scopes=a,b").body)
    assert tokens.access(reply["access_token"]) == ACCOUNT
    assert (reply["expires_in"], reply["token_type"]) == (3600, "Bearer")
    identity = get(
        metadata, f"{BASE}/instance/service-accounts/default/identity", "audience=https://x&format=full"
    )
    assert tokens.identity(identity.body.decode(), {"https://x"}) == ACCOUNT
    assert get(metadata, f"{BASE}/instance/service-accounts/default/identity").status == 400
    assert get(metadata, f"{BASE}/instance/service-accounts/other@x/token").status == 404


def test_without_the_header_or_through_a_proxy_nothing_is_told(metadata: Metadata) -> None:
    path = f"{BASE}/instance/service-accounts/default/token"
    for headers in (
        {},
        {"metadata-flavor": "google"},
        {**FLAVOR, "x-forwarded-for": "1.2.3.4"},
        {**FLAVOR, "via": "x"},
    ):
        reply = metadata.answer(HttpRequest(method="GET", path=path, headers=headers))
        assert reply.status == 403
        assert b"ey" not in reply.body
    assert metadata.answer(HttpRequest(method="POST", path=path, headers=FLAVOR)).status == 405


@pytest.mark.parametrize(
    "path", ["/computeMetadata/v1beta1/", "/etc/passwd", "/computeMetadata/v1/../..", f"{BASE}/x/y"]
)
def test_elsewhere_is_nothing(metadata: Metadata, path: str) -> None:
    assert get(metadata, path).status == 404


def test_accounts_have_several_names() -> None:
    assert email_of("projects/-/serviceAccounts/a@b.c", "p") == "a@b.c"
    assert email_of("batch", "p") == "batch@p.iam.gserviceaccount.com"
    assert email_of("", "p").endswith("-compute@developer.gserviceaccount.com")
