"""The homes of programs: for each one a metadata server on a port of its own, a token file, and the environment.

A port is durable before any program is told of it, and taken again at every start: programs survive the server.
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from jubako.core.clock import Clock
from jubako.core.errors import Unavailable
from jubako.core.events import Events
from jubako.identity import accounts
from jubako.identity.accounts import Home
from jubako.identity.acting import Register
from jubako.identity.environment import Files, variables
from jubako.identity.metadata import Metadata
from jubako.identity.tokens import LIFETIME, Tokens
from jubako.store.port import Store, Tx
from jubako.wire.authority import write_private

REFRESH = LIFETIME / 2
"""How often token files are written anew."""
_HOST = "127.0.0.1"


class Listening(Protocol):
    """A listener under way."""

    async def close(self, grace: timedelta) -> None:
        """Stop."""
        ...


Listen = Callable[[Metadata, int], Awaitable[tuple[int, Listening]]]
"""``await listen(metadata, port)`` serves on loopback and returns the port (0 asks for any) and what closes it.

Raises:
    Unavailable: The port is taken.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePorts:
    """What homes are made of."""

    store: Store
    clock: Clock
    events: Events
    tokens: Tokens
    listen: Listen
    register: Register
    """Which accounts there are."""


class Homes:
    """All homes of this server."""

    def __init__(self, ports: HomePorts, base_url: str, files: Files, no_proxy: str) -> None:
        self._ports = ports
        self._base_url = base_url
        self._files = files
        self._no_proxy = no_proxy
        self._listening: dict[Home, tuple[int, Listening]] = {}
        self._environments: dict[Home, Mapping[str, str]] = {}
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Take up the metadata servers that programs may still know, and let the owner in."""
        await asyncio.to_thread(self._write_owner_token)
        for home, port in (await self._ports.store.read(accounts.ports)).items():
            await self._take(home, port)

    async def run(self) -> None:
        """Keep the token files fresh, until cancelled."""
        while True:
            for home in list(self._listening):
                await asyncio.to_thread(self._write_token, home)
            await asyncio.to_thread(self._write_owner_token)
            await self._ports.clock.sleep_until(self._ports.clock.now() + REFRESH)

    async def close(self) -> None:
        """Close the metadata servers."""
        listening, self._listening = self._listening, {}
        for _, server in listening.values():
            await server.close(timedelta(0))

    async def environment(self, project: str, location: str, account: str) -> Mapping[str, str]:
        """See Environments."""
        home = Home(project, location, accounts.email_of(account, project))
        found = self._environments.get(home)
        if found is not None:
            return found
        await self._ports.register.require(home.account)
        async with self._turn:
            if home not in self._listening:
                await self._take(home, 0)
            port = self._listening[home][0]
            made = variables(home, self._base_url, port, self._files, self._no_proxy)
            self._environments[home] = made
            return made

    async def _take(self, home: Home, wanted: int) -> None:
        metadata = Metadata(home, self._ports.tokens)
        try:
            port, server = await self._ports.listen(metadata, wanted)
        except Unavailable as error:
            if not wanted:
                raise
            # Its surviving programs get no more tokens; new ones must.
            self._ports.events.emit("metadata.port_taken", "ERROR", port=wanted, error=error.message)
            port, server = await self._ports.listen(metadata, 0)
        self._listening[home] = (port, server)
        await asyncio.to_thread(self._write_token, home)
        if port != wanted and await self._ports.store.write(partial(_record, home=home, port=port)):
            self._ports.events.emit("service_account.created", account=home.account, project=home.project)

    def _write_owner_token(self) -> None:
        if self._files.owner is not None:
            write_private(self._files.owner, self._ports.tokens.owner_token().encode("ascii"))

    def _write_token(self, home: Home) -> None:
        path = self._files.token(home)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(path, self._ports.tokens.access_token(home.account).encode("ascii"))


def _record(tx: Tx, home: Home, port: int) -> bool:
    accounts.remember_port(tx, home, port)
    return accounts.ensure(tx, home.account)


_USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def write_bundle(path: Path, own: str, environ: Mapping[str, str]) -> None:
    """Write a bundle of our authority and the roots that this machine trusts: the variables replace, and do not add."""
    asked = [environ.get(name, "") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")]
    usual = next(
        (name for name in (ssl.get_default_verify_paths().cafile or "", *_USUAL) if _is_file(name)), ""
    )
    texts = [own]
    names = dict.fromkeys(name for name in (*asked, usual) if _is_file(name) and name != os.fspath(path))
    texts += [Path(name).read_text("utf-8", "replace") for name in names]
    write_private(path, "\n".join(texts).encode())


def _is_file(name: str) -> bool:
    return bool(name) and Path(name).is_file()
