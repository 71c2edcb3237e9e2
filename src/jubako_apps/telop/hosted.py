"""A model behind an OpenAI-compatible address: one question, one answer as text, within a time, or `NoAnswer`.

Whoever asks is named by three variables, ``PREFIX_URL`` (the base, such as ``https://models.example/v1``),
``PREFIX_MODEL`` and ``PREFIX_KEY``; without an address nobody is asked and nothing leaves the machine.

1. An answer that is late, too long, an error or no answer at all is `NoAnswer`, whose text names neither address nor
   key: it may be logged. Redirections are not followed; the key goes to the named address alone.
2. What comes back is data: it is read with `plain`, never trusted.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

ANSWER_BYTES_MAX: Final = 256 * 1024

Message = Mapping[str, object]


class NoAnswer(Exception):
    """There is none; the text says why, in words that hold no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Whom to ask; ``key`` may be empty."""

    url: str
    model: str
    key: str = field(default="", repr=False)


def endpoint_from(environ: Mapping[str, str], prefix: str) -> Endpoint | None:
    """Return whom the environment names with ``prefix``, None if nobody."""
    url, model, key = (environ.get(f"{prefix}_{name}", "") for name in ("URL", "MODEL", "KEY"))
    if not url.startswith(("https://", "http://")):
        return None
    return Endpoint(url=url.rstrip("/"), model=model, key=key)


def ask(endpoint: Endpoint, messages: Sequence[Message], until: float) -> str:
    """Return what the model says.

    Args:
        endpoint: Whom to ask.
        messages: The conversation, as the chat completions API takes it.
        until: When the whole answer must be there, on the clock of `time.monotonic`.

    Raises:
        NoAnswer: See the module.

    """
    import httpx  # noqa: PLC0415 - takes long to load, and most reports ask nobody

    body = {"model": endpoint.model, "temperature": 0, "messages": list(messages)}
    try:
        return _content(_loaded(_posted(endpoint, body, until)))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        # Not the error's text: it holds the address, and an unusable key.
        raise NoAnswer(type(error).__name__) from None


def _posted(endpoint: Endpoint, body: Mapping[str, object], until: float) -> bytes:
    import httpx  # noqa: PLC0415

    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    left = until - time.monotonic()
    if left <= 0:
        raise NoAnswer("its time is over")
    data = bytearray()
    url = f"{endpoint.url}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=left) as answer:
        if not answer.is_success:
            raise NoAnswer(f"status {answer.status_code}")
        for chunk in answer.iter_bytes():
            data += chunk
            if len(data) > ANSWER_BYTES_MAX:
                raise NoAnswer("it is too long")
            if time.monotonic() > until:
                raise NoAnswer("its time is over")
    return bytes(data)


def _loaded(data: bytes) -> object:
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):
        raise NoAnswer("it is no JSON") from None
    return value


def _content(answer: object) -> str:
    try:
        text = answer["choices"][0]["message"]["content"]  # type: ignore[index]
    except (LookupError, TypeError):
        raise NoAnswer("it holds no message") from None
    if not isinstance(text, str):
        raise NoAnswer("it holds no message")
    return text


def json_in(text: str) -> object:
    """Return the JSON that a model's answer consists of, fenced or not.

    Raises:
        NoAnswer: It is none.

    """
    return _loaded(text.removeprefix("```json").strip("`\n ").encode("utf-8", "replace"))


def plain(text: str, length_max: int) -> str:
    """Return a text from outside as one short printable line."""
    line = "".join(char if char.isprintable() else " " for char in text[: 4 * length_max])
    return " ".join(line.split())[:length_max]
