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
        resources.SignBlobRequest,
        resources.SignBlobResponse,
        resources.SignJwtRequest,
        resources.SignJwtResponse,
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


def test_signatures_are_the_accounts_own_and_buy_its_tokens_only(python: Callable[..., str]) -> None:
    code = """
import json, time
import google.auth.transport.requests as t
from google.auth import crypt, jwt
from google.cloud import iam_credentials_v1
client, request = iam_credentials_v1.IAMCredentialsClient(), t.Request()
email = "signer@local.iam.gserviceaccount.com"
name = f"projects/-/serviceAccounts/{email}"
blob = client.sign_blob(name=name, payload=b"anything")
certificates = json.loads(request("https://www.googleapis.com/service_accounts/v1/metadata/x509/" + email).data)
verifier = crypt.RSAVerifier.from_string(certificates[blob.key_id])
now = int(time.time())
def assertion(who):
    claims = {"iss": who, "aud": "https://oauth2.googleapis.com/token", "iat": now, "exp": now + 600,
              "scope": "https://www.googleapis.com/auth/cloud-platform"}
    return client.sign_jwt(name=name, payload=json.dumps(claims)).signed_jwt
def exchange(who):
    body = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=" + assertion(who)
    return request("https://oauth2.googleapis.com/token", method="POST", body=body.encode(),
                   headers={"content-type": "application/x-www-form-urlencoded"}).status
print(verifier.verify(b"anything", blob.signed_blob), jwt.decode(assertion(email), certificates)["iss"] == email,
      exchange(email), exchange("other@local.iam.gserviceaccount.com"))
forged = assertion("https://accounts.google.com")
print(request("https://run.googleapis.com/v2/projects/local/locations/l/jobs",
              headers={"authorization": "Bearer " + forged}).status)
"""
    assert python(code).split() == ["True", "True", "200", "400", "401"]
