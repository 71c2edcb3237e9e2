"""The authority of an install: believed for Google's names and for nothing else."""

import ssl
import stat
from pathlib import Path

import pytest

from jubako.runtime.system import SystemClock
from jubako.wire.authority import Authority

OURS = [
    "run.googleapis.com",
    "asia-northeast1-run.googleapis.com",
    "telop-123.asia-northeast1.run.app",
    "accounts.google.com",
]
FOREIGN = ["www.example.com", "google.com", "evilgoogleapis.com", "googleapis.com.example.com"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, SystemClock())


def handshake(authority: Authority, name: str, alpn: list[str] | None = None) -> str | None:
    """Connect as a client that believes the authority alone; return the protocol agreed on."""
    client = ssl.create_default_context(cadata=authority.certificate_pem)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    if alpn:
        client.set_alpn_protocols(alpn)
    to_client, to_server = (ssl.MemoryBIO(), ssl.MemoryBIO())
    one = client.wrap_bio(to_client, to_server, server_hostname=name)
    other = authority.context(name).wrap_bio(to_server, to_client, server_side=True)
    done = 0
    for _ in range(10):
        for side in (one, other):
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                continue
        if done >= 2:
            break
    return one.selected_alpn_protocol()


@pytest.mark.parametrize("name", OURS)
def test_googles_names_are_proven(authority: Authority, name: str) -> None:
    assert handshake(authority, name, ["h2"]) == "h2"


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_name_is_refused_by_the_constraints(authority: Authority, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(authority, name)


def test_who_can_speak_http1_gets_it(authority: Authority) -> None:
    assert handshake(authority, OURS[0], ["h2", "http/1.1"]) == "http/1.1"
    assert handshake(authority, OURS[0]) is None


def test_keys_are_private_and_survive(tmp_path: Path) -> None:
    first = Authority(tmp_path, SystemClock())
    first.context(OURS[0])
    assert Authority(tmp_path, SystemClock()).certificate_pem == first.certificate_pem
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.key", "ca.pem"]
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600


def test_two_installs_do_not_believe_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = Authority(tmp_path / "a", SystemClock()), Authority(tmp_path / "b", SystemClock())
    assert one.certificate_pem != other.certificate_pem


def test_certificates_are_cached_and_bounded(authority: Authority) -> None:
    assert authority.context(OURS[0]) is authority.context(OURS[0])
    for number in range(100):
        authority.context(f"n{number}.googleapis.com")
    assert len(authority._contexts) <= 64
