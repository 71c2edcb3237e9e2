import ipaddress
import zlib

import pytest

from jubako.wire.outbound import (
    InvalidCall,
    Outbound,
    RefusedAddress,
    ResponseTooLarge,
    _decoded,
    _headers,
    parse_url,
    refusal,
)

NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "0.0.0.0",
    "::",
]
NEVER += [
    "::ffff:169.254.169.254",
    "2002:a9fe:a9fe::",
    "64:ff9b::a9fe:a9fe",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
]
NEVER += ["240.0.0.1", "168.63.129.16", "::ffff:0.0.0.0", "0.0.0.0", "::"]


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("loopback_allowed", [True, False])
def test_some_addresses_are_never_called(address: str, loopback_allowed: bool) -> None:
    assert refusal(ipaddress.ip_address(address), loopback_allowed=loopback_allowed)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"]
)
def test_loopback_is_called_only_where_it_is_allowed(address: str) -> None:
    assert refusal(ipaddress.ip_address(address), loopback_allowed=True) is None
    assert refusal(ipaddress.ip_address(address), loopback_allowed=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "10.0.0.1", "192.168.1.1", "2001:4860:4860::8888", "fd12::1"])
def test_other_addresses_may_be_called(address: str) -> None:
    assert refusal(ipaddress.ip_address(address), loopback_allowed=False) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "10.0.0.1", "::ffff:8.8.8.8", "fd12::1"])
async def test_offline_nothing_outside_is_called(address: str) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return [address]

    offline = Outbound(loopback_allowed=True, outside_allowed=False, resolver=resolve)
    with pytest.raises(RefusedAddress, match="this server is offline"):
        await offline.send("GET", parse_url("http://example.com/"), {}, b"", 1_000)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("http://A.example", "http://a.example/"),
        ("https://a.example:443/x?y=1#z", "https://a.example/x?y=1"),
        ("http://a.example:8080/é d%20e?q=ü&r=a b", "http://a.example:8080/%C3%A9%20d%20e?q=%C3%BC&r=a%20b"),
        ("http://[::1]:80/a%2Fb", "http://[::1]/a%2Fb"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
    ],
)
def test_addresses_are_parsed_and_printed_as_sent(text: str, meant: str) -> None:
    assert str(parse_url(text)) == meant


BAD_URLS = [
    "",
    "a.example",
    "ftp://a.example",
    "file:///etc/passwd",
    "http://",
    "http://a:b@c.example/",
    "http://a:99999/",
]
BAD_URLS += [
    "http://[::1",
    "http://a..\u3002b/",
    "gopher://x",
    "//x/y",
    "http://a.example:x/",
    "http://\ud800/",
]


@pytest.mark.parametrize("text", BAD_URLS)
def test_what_is_no_http_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidCall):
        parse_url(text)


def test_a_location_is_read_against_the_address_it_came_from() -> None:
    url = parse_url("https://a.example/x/y?q=1")
    assert str(url.join("../z")) == "https://a.example/z"
    assert str(url.join("//b.example/")) == "https://b.example/"
    with pytest.raises(InvalidCall):
        url.join("file:///etc/passwd")


def test_headers_about_the_connection_are_ours() -> None:
    given = {"Host": "evil", "content-length": "9", "Transfer-Encoding": "chunked", "x": "1"}
    sent = dict(_headers("POST", parse_url("http://a.example:8080/"), given, len(b"abc")))
    assert sent == {
        b"x": b"1",
        b"host": b"a.example:8080",
        b"content-length": b"3",
        b"accept-encoding": b"gzip",
    }


def test_a_compressed_answer_is_unpacked_within_the_limit() -> None:
    url = parse_url("http://a.example/")
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = packer.compress(b"x" * 10_000_000) + packer.flush()
    assert len(packed) < 20_000
    with pytest.raises(ResponseTooLarge):
        _decoded(packed, "gzip", 1_000_000, url)
    assert _decoded(packed, "gzip", 10_000_000, url) == b"x" * 10_000_000
    assert _decoded(b"plain", "", 10, url) == b"plain"
