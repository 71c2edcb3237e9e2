"""What an instance gets of a request, and a client of its reply."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from jubako.boxes.services import forwarding
from jubako.boxes.services.forwarding import Arrival, Framing
from jubako.core.errors import InvalidArgument
from jubako.wire.gateway import ServiceCall, ServiceName
from jubako.wire.method import Caller

TRACE = "0123456789abcdef0123456789abcdef"
ARRIVAL = Arrival(
    client="127.0.0.1", scheme="http", host="127.0.0.1:8123", prefix="/run/p/l/s", trace_id=TRACE
)


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


def call(*headers: tuple[str, str], body: tuple[bytes, ...] = (), **changes: Any) -> ServiceCall:
    fields: dict[str, Any] = {
        "service": ServiceName("p", "l", "s"),
        "method": "GET",
        "path": "/",
        "query": "",
        "headers": headers,
        "body": pieces(*body),
        "caller": None,
    }
    return ServiceCall(**{**fields, **changes})


async def sent(request: ServiceCall) -> tuple[str, dict[str, str], bytes]:
    """Return request line, headers and body that the instance would get."""
    outgoing = await forwarding.outgoing(request, ARRIVAL)
    line, *rest = outgoing.head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    names = [header.partition(": ")[0] for header in rest]
    assert len(set(names)) == len(names), names
    headers = dict(header.split(": ", 1) for header in rest)
    return line, headers, b"".join([piece async for piece in outgoing.body])


async def test_path_and_query_pass_as_they_came() -> None:
    line, headers, _ = await sent(call(path="/a%2Fb/%E3%81%82", query="x=1&x=%20", method="OPTIONS"))
    assert line == "OPTIONS /a%2Fb/%E3%81%82?x=1&x=%20 HTTP/1.1"
    assert headers["host"] == headers["x-forwarded-host"] == "127.0.0.1:8123"


async def test_headers_about_the_connection_are_dropped_and_others_kept() -> None:
    _, headers, _ = await sent(
        call(
            ("connection", "keep-alive, X-Mine"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("authorization", "Bearer a"),
            ("cookie", "a=1"),
        )
    )
    assert not {"x-mine", "te", "upgrade", "expect", "keep-alive"} & headers.keys()
    assert headers["connection"] == "close"
    assert (headers["authorization"], headers["cookie"]) == ("Bearer a", "a=1")


async def test_the_client_is_added_to_who_forwarded_and_cannot_forge_the_rest() -> None:
    _, headers, _ = await sent(
        call(("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https"), ("x-forwarded-prefix", "/evil"))
    )
    assert headers["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-prefix"] == "/run/p/l/s"


async def test_a_request_without_trace_gets_one() -> None:
    _, headers, _ = await sent(call())
    assert headers["traceparent"].split("-")[1] == TRACE
    assert headers["x-cloud-trace-context"].startswith(f"{TRACE}/")


async def test_a_trace_that_the_request_brings_goes_on_in_both_forms() -> None:
    _, headers, _ = await sent(call(("traceparent", f"00-{'ab' * 16}-00000000000000ff-00")))
    assert headers["x-cloud-trace-context"] == f"{'ab' * 16}/255;o=0"
    _, headers, _ = await sent(call(("x-cloud-trace-context", f"{'CD' * 16}/16;o=1")))
    assert headers["traceparent"] == f"00-{'cd' * 16}-0000000000000010-01"
    assert headers["x-cloud-trace-context"] == f"{'CD' * 16}/16;o=1"


async def test_nonsense_for_a_trace_is_passed_on_and_harms_nothing() -> None:
    _, headers, _ = await sent(call(("traceparent", "x"), ("x-cloud-trace-context", "y")))
    assert (headers["traceparent"], headers["x-cloud-trace-context"]) == ("x", "y")


async def test_a_body_without_length_is_chunked_and_complete() -> None:
    _, headers, body = await sent(call(body=(b"ab", b"c"), method="POST"))
    assert headers["transfer-encoding"] == "chunked"
    assert "content-length" not in headers
    assert body == b"abc"


async def test_a_body_with_length_keeps_it() -> None:
    _, headers, body = await sent(call(("content-length", "3"), body=(b"abc",), method="POST"))
    assert headers["content-length"] == "3"
    assert "transfer-encoding" not in headers
    assert body == b"abc"


async def test_a_call_from_inside_says_its_length() -> None:
    me = Caller(principal="user:local")
    _, headers, body = await sent(call(body=(b"abc",), method="POST", caller=me))
    assert (headers["content-length"], body) == ("3", b"abc")
    _, headers, _ = await sent(call(method="POST", caller=me))
    assert headers["content-length"] == "0"
    _, headers, _ = await sent(call(caller=me))
    assert not {"content-length", "transfer-encoding"} & headers.keys()


async def test_only_safe_requests_without_a_body_may_be_repeated() -> None:
    async def may(request: ServiceCall) -> bool:
        return (await forwarding.outgoing(request, ARRIVAL)).may_be_repeated

    assert await may(call())
    assert not await may(call(method="POST"))
    assert not await may(call(body=(b"x",)))
    assert not await may(call(("content-length", "0")))


@pytest.mark.parametrize(
    "bad",
    [
        {"path": "/a b"},
        {"path": "/a\r\nx: y"},
        {"path": "a"},
        {"query": "x\r\n"},
        {"method": "GET /"},
        {"method": ""},
        {"headers": (("x", "a\r\nb: c"),)},
        {"headers": (("x y", "a"),)},
        {"headers": (("content-length", "1"), ("content-length", "2"))},
        {"headers": (("content-length", "-1"),)},
        {"headers": (("content-length", "1_0"),)},
    ],
)
async def test_what_could_smuggle_a_second_request_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        await forwarding.outgoing(
            call(**{"headers": (), **bad}) if "headers" not in bad else call(*bad["headers"]), ARRIVAL
        )


async def test_the_same_length_twice_is_one_length() -> None:
    _, headers, _ = await sent(call(("content-length", "1"), ("content-length", "1"), body=(b"x",)))
    assert headers["content-length"] == "1"


def test_a_reply_keeps_repeats_and_loses_what_is_about_the_connection() -> None:
    headers = (
        ("set-cookie", "a"),
        ("set-cookie", "b"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("content-length", "1"),
    )
    kept = forwarding.reply_headers(headers)
    assert kept == (("set-cookie", "a"), ("set-cookie", "b"), ("content-length", "1"))
    assert forwarding.reply_headers((("transfer-encoding", "chunked"), ("content-length", "1"))) == ()


def test_framings_have_names() -> None:
    assert {str(framing) for framing in Framing} == {"none", "length", "chunked"}
