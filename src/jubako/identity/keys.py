"""The signing key of this install: signs tokens, checks signatures, publishes its public half.

RS256 only. A token that names another algorithm, ``none`` included, is not looked at further. Sources: RFC 7515 (JWS),
RFC 7517 (JWK), RFC 7518 3.3 (RS256).
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from jubako.core import json_text
from jubako.core.errors import Unauthenticated
from jubako.wire.authority import write_private

ALGORITHM = "RS256"
TOKEN_MAX = 16 * 1024
_BITS = 2048
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

Claims = dict[str, Any]


class SigningKey:
    """One RSA key and its public forms."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self._public = key.public_key()
        numbers = self._public.public_numbers()
        modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        self.id = hashlib.sha256(modulus).hexdigest()[:40]
        self._jwk = {
            "kty": "RSA",
            "alg": ALGORITHM,
            "use": "sig",
            "kid": self.id,
            "n": encoded(modulus),
            "e": encoded(numbers.e.to_bytes(3, "big")),
        }

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Return the key in the file at ``path`` (0600), made now if there is none.

        Raises:
            OSError: The file cannot be read or written.

        """
        if not path.exists():
            write_private(path, pem_of(new_key()))
        return cls.from_pem(path.read_bytes())

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """Return the key of a PKCS 8 PEM text."""
        # Not proven anew to be made of primes, which takes longer than a signature: it comes from us.
        key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, rsa.RSAPrivateKey)
        return cls(key)

    def sign(self, claims: Claims, kind: str) -> str:
        """Return a signed token; ``kind`` is its ``typ``."""
        header = {"alg": ALGORITHM, "kid": self.id, "typ": kind}
        signed = f"{_json(header)}.{_json(claims)}"
        return f"{signed}.{encoded(self.signature(signed.encode('ascii')))}"

    def signature(self, content: bytes) -> bytes:
        """Return the RS256 signature of any bytes."""
        return self._key.sign(content, padding.PKCS1v15(), hashes.SHA256())

    def read(self, token: str) -> tuple[Mapping[str, Any], Claims]:
        """Return header and claims of a token that this key signed; nothing else of it is checked.

        Raises:
            Unauthenticated: It did not, or it is no token.

        """
        return checked(token, {self.id: self._public})

    def key_set(self) -> dict[str, Any]:
        """Return the JSON Web Key Set."""
        return {"keys": [self._jwk]}

    def certificates(self) -> dict[str, str]:
        """Return self-signed certificates by key id: the form of Google's ``/oauth2/v1/certs``."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jubako token signer")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._public)
            .serial_number(int(self.id[:16], 16) or 1)
            .not_valid_before(_EPOCH)
            .not_valid_after(_EPOCH + timedelta(days=36500))
            .sign(self._key, hashes.SHA256())
        )
        return {self.id: certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")}

    def public_pem(self) -> bytes:
        """Return the public half."""
        return self._public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def new_key() -> rsa.RSAPrivateKey:
    """Return a fresh key; takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=_BITS)


def pem_of(key: rsa.RSAPrivateKey) -> bytes:
    """Return a key as PKCS 8 PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key(pem: bytes) -> rsa.RSAPublicKey:
    """Return the key of a public PEM text."""
    key = serialization.load_pem_public_key(pem)
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def key_id_of(token: str) -> str:
    """Return the ``kid`` that a token names, which proves nothing.

    Raises:
        Unauthenticated: It is no token.

    """
    return str(_object(_parts(token)[0]).get("kid", ""))


def checked(token: str, keys: Mapping[str, rsa.RSAPublicKey]) -> tuple[Mapping[str, Any], Claims]:
    """Return header and claims of a token that one of ``keys`` (by id) signed.

    Raises:
        Unauthenticated: None did, or it is no token.

    """
    head, body, signature = _parts(token)
    header = _object(head)
    key = keys.get(str(header.get("kid")))
    if header.get("alg") != ALGORITHM or key is None:
        raise Unauthenticated("The token is not signed by a key of this server.")
    try:
        key.verify(decoded(signature), f"{head}.{body}".encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise Unauthenticated("The token's signature is wrong.") from None
    return header, _object(body)


def encoded(content: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes:
    """Return what ``encoded`` encoded.

    Raises:
        Unauthenticated: It is not base64url.

    """
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Unauthenticated("The token is damaged.") from None


def _parts(token: str) -> tuple[str, str, str]:
    parts = token.split(".") if len(token) <= TOKEN_MAX and token.isascii() else []
    if len(parts) != 3:
        raise Unauthenticated("The presented credential is not a token of this server.")
    return parts[0], parts[1], parts[2]


def _object(text: str) -> Claims:
    try:
        value = json_text.decode(decoded(text))
    except (msgspec.DecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unauthenticated("The token is damaged.")
    return value


def _json(value: Mapping[str, Any]) -> str:
    return encoded(msgspec.json.encode(value))
