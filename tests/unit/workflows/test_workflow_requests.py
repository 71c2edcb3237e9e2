"""HTTP calls of workflows: what is sent, what comes back, what is refused."""

import json
from typing import Any

import pytest

from jubako.wire.http import HttpResponse
from jubako.wire.outbound import (
    CallTimeout,
    ConnectionBroken,
    ConnectionFailed,
    RefusedAddress,
    ResponseTooLarge,
)

ACCOUNT = "robot@p.iam.gserviceaccount.com"


async def sent(house: Any, args: str, account: str = ACCOUNT) -> Any:
    """Return the ended execution of one POST; args is YAML in flow style without braces."""
    await house.deploy(
        f"- call: {{call: http.post, args: {{url: 'https://example.com/x', {args}}}, result: r}}\n"
        "- done: {return: '${r.body}'}",
        account=account,
    )
    return await house.until_final(await house.begin())


@pytest.mark.parametrize(
    ("auth", "token"),
    [
        ("type: OIDC", f"id {ACCOUNT} https://example.com/x"),
        ("type: OIDC, audience: me", f"id {ACCOUNT} me"),
        ("type: OAuth2", f"access {ACCOUNT} https://www.googleapis.com/auth/cloud-platform"),
        ("type: OAuth2, scopes: [a, b]", f"access {ACCOUNT} a b"),
    ],
)
async def test_auth_attaches_a_token_of_the_service_account(house: Any, auth: str, token: str) -> None:
    await sent(house, f"auth: {{{auth}}}")
    assert house.cloud.headers[0]["authorization"] == f"Bearer {token}"


@pytest.mark.parametrize(
    ("args", "account", "tag"),
    [
        ("auth: {type: Basic}", ACCOUNT, "AuthError"),
        ("auth: {type: OAuth2, scopes: 5}", ACCOUNT, "AuthError"),
        ("private_service_name: x", ACCOUNT, "ValueError"),
        ("ca_certificate: x", ACCOUNT, "ValueError"),
        ("headers: {content-type: text/plain}, body: {a: 1}", ACCOUNT, "TypeError"),
        ("headers: {content-type: application/xml}, body: [1]", ACCOUNT, "TypeError"),
        ("""body: {a: '${text.encode("x")}'}""", ACCOUNT, "TypeError"),
        ("headers: 5", ACCOUNT, "TypeError"),
        ("timeout: -1", ACCOUNT, "ValueError"),
    ],
)
async def test_what_cannot_be_sent_is_a_named_error(house: Any, args: str, account: str, tag: str) -> None:
    final = await sent(house, args, account)
    assert final.error is not None
    assert json.loads(final.error.payload)["tags"] == [tag]
    assert house.cloud.bodies == []


@pytest.mark.parametrize(
    ("args", "kind", "body"),
    [
        ("body: {a: 1}", "application/json; charset=utf-8", b'{"a": 1}'),
        ("""body: '${text.encode("ab")}'""", "application/octet-stream", b"ab"),
        ("headers: {Content-Type: application/xml}, body: <a/>", "application/xml", b"<a/>"),
        ("headers: {Content-Type: application/ld+json}, body: {a: 1}", "application/ld+json", b'{"a": 1}'),
        (
            "headers: {Content-Type: application/x-www-form-urlencoded}, body: {a: 1 2}",
            "application/x-www-form-urlencoded",
            b"a=1+2",
        ),
    ],
)
async def test_bodies_go_by_their_content_type(house: Any, args: str, kind: str, body: bytes) -> None:
    await sent(house, args)
    assert (house.cloud.headers[0]["content-type"], house.cloud.bodies[0]) == (kind, body)


async def test_the_user_agent_is_the_services_behind_ones_own(house: Any) -> None:
    await sent(house, "headers: {User-Agent: mine}")
    assert house.cloud.headers[0]["user-agent"].startswith("mine GoogleCloudWorkflows;")


@pytest.mark.parametrize(
    ("failure", "tag"),
    [
        (ConnectionFailed("x"), "ConnectionFailedError"),
        (ConnectionBroken("x"), "ConnectionError"),
        (CallTimeout("x"), "TimeoutError"),
        (ResponseTooLarge("x"), "ResourceLimitError"),
        (RefusedAddress("x"), "ConnectionFailedError"),
    ],
)
async def test_a_failure_has_its_tag(house: Any, failure: Exception, tag: str) -> None:
    house.cloud.fail_with = failure
    final = await sent(house, "")
    assert final.error is not None
    assert tag in json.loads(final.error.payload)["tags"]


@pytest.mark.parametrize(
    ("body", "tag"),
    [
        (b'{"n": 123456789012345678901234567890}', "ValueError"),
        (b'{"n": NaN}', "ValueError"),
        (b'{"n": 1e999}', "ValueError"),
        (b"[" * 200 + b"]" * 200, "ResourceLimitError"),
        (b'"' + b"x" * 1_000_000 + b'"', "ResourceLimitError"),
    ],
)
async def test_a_reply_that_is_no_value_is_a_named_error(house: Any, body: bytes, tag: str) -> None:
    house.cloud.answers.append(
        HttpResponse(status=200, headers={"content-type": "application/json"}, body=body)
    )
    final = await sent(house, "")
    assert final.error is not None, final.result
    assert tag in json.loads(final.error.payload)["tags"]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'"\\ud800"', "\ufffd"),
        (b'"\xff"', '"\ufffd"'),
        (b"9" * 5000, "9" * 5000),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
async def test_a_reply_that_is_not_json_after_all_is_text(house: Any, body: bytes, value: str) -> None:
    house.cloud.answers.append(
        HttpResponse(status=200, headers={"content-type": "application/json"}, body=body)
    )
    final = await sent(house, "")
    assert final.error is None
    assert json.loads(final.result) == value
