"""The real clock and the real source of ids."""

import asyncio
import secrets
import string
import uuid
from datetime import UTC, datetime

_ALPHABET = string.ascii_lowercase + string.digits
_NAP_S_MAX = 60.0


class SystemClock:
    """See Clock; follows the system's time, so a step of it is noticed within a minute."""

    def now(self) -> datetime:
        """See Clock."""
        return datetime.now(UTC)

    async def sleep_until(self, deadline: datetime) -> None:
        """See Clock."""
        await asyncio.sleep(0)  # whoever sleeps gives way, however short the sleep
        left_s = (deadline - self.now()).total_seconds()
        while left_s > 0:
            await asyncio.sleep(min(left_s, _NAP_S_MAX))
            left_s = (deadline - self.now()).total_seconds()


class SystemIds:
    """See IdSource; from the system's secure source, so that names cannot be guessed."""

    def uid(self) -> str:
        """See IdSource."""
        return str(uuid.uuid4())

    def suffix(self, length: int) -> str:
        """See IdSource."""
        drawn = secrets.randbelow(len(_ALPHABET) ** length)  # all at once: each draw is a system call
        signs = []
        for _ in range(length):
            drawn, at = divmod(drawn, len(_ALPHABET))
            signs.append(_ALPHABET[at])
        return "".join(signs)
