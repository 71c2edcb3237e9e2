"""Ids that are the same in every run."""

import random
import string
import uuid

_ALPHABET = string.ascii_lowercase + string.digits


class SeededIds:
    """See IdSource; the same seed gives the same ids in the same order."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable is the point

    def uid(self) -> str:
        """See IdSource."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self, length: int) -> str:
        """See IdSource."""
        return "".join(self._random.choices(_ALPHABET, k=length))
