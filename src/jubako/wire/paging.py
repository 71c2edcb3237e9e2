"""Pages of a list, as every Google List method has them: ``page_size`` in, ``next_page_token`` out.

Tokens say after which key the next page begins, so a page costs the same wherever it is, and rows that come or go
between two pages neither repeat nor hide others.
"""

import binascii
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from jubako.core.limits import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from jubako.wire.codec import invalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: ``size`` rows whose key is greater than ``after``."""

    size: int
    after: str


def page_of(page_size: int, page_token: str) -> Page:
    """Return the page that a request asks for; sizes of 0 mean the default, larger than the maximum the maximum.

    Raises:
        InvalidArgument: The size is negative, or the token is none of ours.

    """
    if page_size < 0:
        raise invalid("pageSize", "must not be negative.")
    size = min(page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    try:
        after = b64decode(page_token.encode("ascii"), b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error):
        raise invalid("pageToken", "is not a token that this server gave out.") from None
    return Page(size, after)


def cut(rows: Sequence[T], page: Page, key: Callable[[T], str]) -> tuple[list[T], str]:
    """Return the rows of the page and the token of the next one ("" = none), from ``page.size + 1`` rows read."""
    if len(rows) <= page.size:
        return list(rows), ""
    shown = list(rows[: page.size])
    return shown, urlsafe_b64encode(key(shown[-1]).encode()).decode("ascii")
