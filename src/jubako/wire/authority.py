"""The certificate authority of this install: it vouches for Google's names towards the programs we start.

1. Its key never leaves the state directory (0600). Nobody but programs that were given its certificate believes it.
2. Name constraints, marked critical, bind it to the names in ``PERMITTED``: even with its key, no other site can be
   played. Addresses are excluded altogether.
3. Leaf certificates are minted when a name is asked for, live a week, and share one key that exists in memory and,
   for the moment in which OpenSSL reads it, in a file of the state directory.
"""

import ipaddress
import os
import ssl
from collections import OrderedDict
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from jubako.core.clock import Clock

PERMITTED = ("googleapis.com", "run.app", "accounts.google.com")
"""Names, and all names below them, that the authority may vouch for."""
ALPN = ["http/1.1", "h2"]
"""In our order: whoever can do HTTP/1.1 gets it, so HTTP/2 means gRPC (curl and Go would speak REST over HTTP/2)."""
_CONTEXTS_MAX = 64
_AUTHORITY_LIFE = timedelta(days=3650)
_LEAF_LIFE = timedelta(days=7)
_BACKDATED = timedelta(days=1)
"""For clients whose clock is behind."""


class Authority:
    """Mints certificates; not for several threads at once."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Read the authority's key and certificate from ``folder``, or make them.

        Raises:
            OSError: The folder cannot be read or written.

        """
        self._folder = folder
        self._clock = clock
        self._key = _private_key(folder / "ca.key")
        self._certificate = _own_certificate(folder / "ca.pem", self._key, clock.now())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: OrderedDict[str, tuple[datetime, ssl.SSLContext]] = OrderedDict()

    @property
    def certificate_pem(self) -> str:
        """What a client must trust."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def context(self, name: str) -> ssl.SSLContext:
        """Return a TLS server context that proves ``name``; it speaks HTTP/1.1, or HTTP/2.

        A name outside PERMITTED gets a certificate too, and every client refuses it.
        """
        cached = self._contexts.get(name)
        if cached is not None and cached[0] > self._clock.now():
            self._contexts.move_to_end(name)
            return cached[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(ALPN)
        self._load(context, name)
        self._contexts[name] = (self._clock.now() + _LEAF_LIFE / 2, context)
        if len(self._contexts) > _CONTEXTS_MAX:
            self._contexts.popitem(last=False)
        return context

    def _load(self, context: ssl.SSLContext, name: str) -> None:
        chain = self._folder / f"leaf-{os.getpid()}.pem"  # ssl reads files only
        try:
            write_private(chain, _key_pem(self._leaf_key) + self._leaf(name))
            context.load_cert_chain(chain)
        finally:
            chain.unlink(missing_ok=True)

    def _leaf(self, name: str) -> bytes:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name)])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = _builder("Jubako", self._leaf_key, self._key, self._clock.now(), _LEAF_LIFE)
        certificate = (
            builder.issuer_name(self._certificate.subject)
            .add_extension(alternative, critical=False)
            .add_extension(usage, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        write_private(path, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _own_certificate(path: Path, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """Return the certificate at ``path``, made anew if there is none for this key or its time is almost over."""
    if path.exists():
        found = x509.load_pem_x509_certificate(path.read_bytes())
        lasts = found.not_valid_after_utc - now > timedelta(days=30)
        if found.public_key() == key.public_key() and lasts:
            return found
    made = _self_signed(key, now)
    write_private(path, made.public_bytes(serialization.Encoding.PEM))
    return made


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:12]
    title = f"Jubako local authority {identifier}"
    constraints = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(name) for name in PERMITTED],
        excluded_subtrees=[
            x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),
            x509.IPAddress(ipaddress.ip_network("::/0")),
        ],
    )
    return (
        _builder(title, key, key, now, _AUTHORITY_LIFE)
        .issuer_name(_name(title))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(constraints, critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    title: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: ec.EllipticCurvePrivateKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    """Return what all certificates have; strict clients want both key identifiers."""
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name(title))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority, critical=False)
    )


def _name(title: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, title)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
