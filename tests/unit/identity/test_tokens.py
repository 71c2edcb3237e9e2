"""Tokens: only what this install signed, for this audience, at this time, is believed."""

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jubako.core.errors import PermissionDenied, Unauthenticated
from jubako.identity.access import LOCAL, LoopbackAccess
from jubako.identity.keys import SigningKey, encoded
from jubako.identity.tokens import ACCESS, API_AUDIENCE, ISSUER, Tokens
from jubako.testing.clock import FakeClock
from jubako.wire.method import Caller

EMAIL = "batch@local.iam.gserviceaccount.com"


def forged(header: dict[str, object], claims: dict[str, object], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(encoded(part) for part in parts)


def good_claims(clock: FakeClock) -> dict[str, object]:
    now = int(clock.now().timestamp())
    return {"iss": ISSUER, "aud": API_AUDIENCE, "email": EMAIL, "iat": now, "exp": now + 3600}


async def test_an_access_token_makes_the_caller_its_service_account(tokens: Tokens) -> None:
    access = LoopbackAccess(tokens)
    caller = access.caller({"authorization": f"Bearer {tokens.access_token(EMAIL)}"})
    assert caller == Caller(principal=f"serviceAccount:{EMAIL}")
    await access.check("run.jobs.run", caller)
    with pytest.raises(PermissionDenied):
        await access.check("", caller)
    with pytest.raises(PermissionDenied):
        await access.check("run.jobs.run", Caller(principal="user:stranger@example.com"))


async def test_without_a_token_the_caller_is_local(tokens: Tokens) -> None:
    assert LoopbackAccess(tokens).caller({}) == LOCAL


async def test_a_token_lasts_an_hour_and_no_longer(tokens: Tokens, clock: FakeClock) -> None:
    token = tokens.access_token(EMAIL)
    await clock.advance(timedelta(minutes=59))
    assert tokens.access(token) == EMAIL
    await clock.advance(timedelta(minutes=2))
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.access(token)


def test_an_audience_is_matched_exactly(tokens: Tokens) -> None:
    token = tokens.id_token(EMAIL, "https://telop.run.app")
    assert tokens.identity(token, {"https://telop.run.app"}) == EMAIL
    for audience in ("https://telop.run.app/", "https://telop.run", "", "HTTPS://TELOP.RUN.APP"):
        with pytest.raises(Unauthenticated, match="audience"):
            tokens.identity(token, {audience})


def test_an_id_token_opens_no_api_and_an_access_token_is_no_identity(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated, match="kind"):
        tokens.access(tokens.id_token(EMAIL, API_AUDIENCE))
    with pytest.raises(Unauthenticated, match="kind"):
        tokens.identity(tokens.access_token(EMAIL), {API_AUDIENCE})


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS512", "", None])
def test_another_algorithm_is_refused_whatever_the_signature(
    tokens: Tokens, key: SigningKey, clock: FakeClock, algorithm: str | None
) -> None:
    for signature in (b"", key.signature(b"x")):
        token = forged({"alg": algorithm, "kid": key.id, "typ": ACCESS}, good_claims(clock), signature)
        with pytest.raises(Unauthenticated):
            tokens.access(token)


def test_a_token_of_another_install_is_refused(
    tokens: Tokens, key: SigningKey, other_key: SigningKey, clock: FakeClock
) -> None:
    with pytest.raises(Unauthenticated):
        tokens.access(other_key.sign(good_claims(clock), ACCESS))
    _, body, signature = other_key.sign(good_claims(clock), ACCESS).split(".")
    claiming = json.dumps({"alg": "RS256", "kid": key.id, "typ": ACCESS}).encode()
    with pytest.raises(Unauthenticated, match="signature"):
        tokens.access(f"{encoded(claiming)}.{body}.{signature}")


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"aud": [API_AUDIENCE]},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"iat": 99999999999},
    ],
    ids=str,
)
def test_even_signed_claims_must_be_right(
    tokens: Tokens, key: SigningKey, clock: FakeClock, change: dict[str, object]
) -> None:
    with pytest.raises(Unauthenticated):
        tokens.access(key.sign({**good_claims(clock), **change}, ACCESS))


@given(st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_=-]{0,40}(\.[A-Za-z0-9_=-]{0,40}){0,4}")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_no_text_is_a_token(tokens: Tokens, text: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.access(text)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer a b", "Bearer é.é.é"]
)
async def test_what_is_presented_and_no_token_is_refused(tokens: Tokens, header: str) -> None:
    with pytest.raises(Unauthenticated):
        LoopbackAccess(tokens).caller({"authorization": header})
