import functools

import pytest

from jubako.identity.keys import SigningKey, new_key
from jubako.identity.tokens import Tokens
from jubako.testing.clock import FakeClock


@functools.cache
def signing_key(number: int) -> SigningKey:
    """Return one of a few keys; to make one takes a while."""
    return SigningKey(new_key())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def key() -> SigningKey:
    return signing_key(0)


@pytest.fixture
def other_key() -> SigningKey:
    return signing_key(1)


@pytest.fixture
def tokens(key: SigningKey, clock: FakeClock) -> Tokens:
    return Tokens(key, clock)
