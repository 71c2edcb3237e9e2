"""The key that this server holds for each service account, to sign in its name: what ``signBlob`` and ``signJwt`` use.

Each account has a key of its own, and none of them is the install's: with that one whoever may sign could make tokens
of any account. The public half is registered like that of a key file, so an assertion buys tokens of this account only.

Source: cloud.google.com/iam/docs/service-account-creds, "Google-managed keys".
"""

import asyncio
import hashlib
from functools import partial
from pathlib import Path

from jubako.core.errors import Unavailable
from jubako.identity import service_keys
from jubako.identity.keys import SigningKey
from jubako.store.port import Store, Tx


class AccountKeys:
    """Keys in files of one folder, made when they are first needed."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._turn = asyncio.Lock()

    async def of(self, email: str) -> SigningKey:
        """Return the key of an account.

        Raises:
            Unavailable: Its file cannot be read or written.

        """
        async with self._turn:
            try:
                key = await asyncio.to_thread(SigningKey.load, self._path(email))
            except OSError as error:
                raise Unavailable(f"The key of {email} cannot be used: {error.strerror}.") from error
        await self._store.write(partial(_register, email=email, key=key))
        return key

    async def known(self, email: str) -> SigningKey | None:
        """Return the key of an account that has one."""
        path = self._path(email)
        return await asyncio.to_thread(lambda: SigningKey.load(path) if path.exists() else None)

    def _path(self, email: str) -> Path:
        return self._folder / f"{hashlib.sha256(email.encode()).hexdigest()[:32]}.key"


def _register(tx: Tx, email: str, key: SigningKey) -> None:
    if service_keys.find(tx, key.id) is None:
        service_keys.insert(tx, email, key)
