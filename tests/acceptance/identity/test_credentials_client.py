"""IAM Credentials held to the official package, and its default client against this server."""

from collections.abc import Callable
from typing import Any

import pytest

from jubako.identity import resources
from jubako.wire.shape import shapes

official = pytest.importorskip("google.cloud.iam_credentials_v1", reason="needs google-cloud-iam")


@pytest.mark.parametrize(
    "cls",
    [
        resources.GenerateAccessTokenRequest,
        resources.GenerateAccessTokenResponse,
        resources.GenerateIdTokenRequest,
        resources.GenerateIdTokenResponse,
    ],
)
def test_messages_are_googles(cls: Any) -> None:
    descriptor = getattr(official, cls.__name__).pb().DESCRIPTOR
    assert cls.__proto__ == descriptor.full_name
    assert {shape.name: shape.number for shape in shapes(cls)} == {
        field.name: field.number for field in descriptor.fields
    }


def test_the_default_client_gets_tokens(python: Callable[..., str]) -> None:
    code = """
from google.cloud import iam_credentials_v1
client = iam_credentials_v1.IAMCredentialsClient()
name = "projects/-/serviceAccounts/other@local.iam.gserviceaccount.com"
access = client.generate_access_token(name=name, scope=["https://www.googleapis.com/auth/cloud-platform"])
identity = client.generate_id_token(name=name, audience="https://x", include_email=True)
print(access.expire_time is not None, access.access_token.count("."), identity.token.count("."))
"""
    assert python(code) == "True 2 2"
