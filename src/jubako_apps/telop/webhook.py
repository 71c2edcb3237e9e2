"""Telling another program that a check has ended: a signed POST to the address that the operator has set.

1. The note that somebody is to be told is written before the outcome, so a crash between the two loses no message.
2. A message is sent until it is taken (2xx) or `TRIES_MAX` is reached: at least once, so receivers go by ``id``.
3. ``Telop-Signature: t=UNIX_SECONDS,v1=HEX`` is HMAC-SHA256 with the operator's secret over ``t``, a dot and the
   body; a receiver refuses what is too old.

The address is the operator's, never a client's: no request can make this service call somewhere else.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Final

import httpx

from jubako_apps.telop import receptions
from jubako_sdk import ObjectNotFound, Sink, get_json, log, put_json

TRIES_MAX: Final = 200
_FOLDER: Final = "webhooks/"


def signature(secret: str, seconds: int, body: bytes) -> str:
    """Return the header's value for a body sent at that time."""
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


class Webhook:
    """Tells ``url``, if there is one.

    Args:
        place: Where receptions and notes lie.
        client: Sends.
        url: Whom to tell; empty: nobody.
        secret: Shared with the receiver.
        clock: Returns the time as Unix seconds.

    """

    def __init__(
        self,
        place: Sink,
        client: httpx.AsyncClient,
        url: str,
        secret: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sink = place
        self._client = client
        self._url = url
        self._secret = secret
        self._clock = clock

    def note(self, reception: str) -> None:
        """Remember that the end of the reception is to be told."""
        if self._url:
            put_json(self._sink, f"{_FOLDER}{reception}.json", {"tries": 0}, if_absent=True)

    async def deliver(self) -> int:
        """Tell every end that has not been told; return how many messages were taken."""
        if not self._url:
            return 0
        taken = 0
        for name in await asyncio.to_thread(lambda: list(self._sink.list(_FOLDER))):
            taken += await self._deliver(name)
        return taken

    async def _deliver(self, name: str) -> bool:
        reception = name.removeprefix(_FOLDER).removesuffix(".json")
        outcome = await asyncio.to_thread(receptions.outcome_of, self._sink, reception)
        if outcome is None:
            return False
        body = json.dumps({"id": reception, **outcome}).encode()
        if await self._sent(reception, body):
            await asyncio.to_thread(self._sink.delete, name)
            return True
        await asyncio.to_thread(self._count, name, reception)
        return False

    async def _sent(self, reception: str, body: bytes) -> bool:
        headers = {
            "Content-Type": "application/json",
            "Telop-Signature": signature(self._secret, int(self._clock()), body),
        }
        try:
            answer = await self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            log("WARNING", f"the end of {reception} could not be told: {error!r}", reception=reception)
            return False
        if not answer.is_success:
            log("WARNING", f"the end of {reception} was refused: {answer.status_code}", reception=reception)
        return answer.is_success

    def _count(self, name: str, reception: str) -> None:
        try:
            tries = int(get_json(self._sink, name)["tries"]) + 1
        except ObjectNotFound:  # another instance has told it meanwhile
            return
        if tries >= TRIES_MAX:
            log(
                "ERROR",
                f"the end of {reception} was told {tries} times in vain; given up",
                reception=reception,
            )
            self._sink.delete(name)
            return
        put_json(self._sink, name, {"tries": tries})
