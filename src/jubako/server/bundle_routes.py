"""``GET /jubako/v1/bundles`` tells which bundles there are and who runs them; ``DELETE`` removes one that nobody does.

A bundle's path ends with its digest without ``sha256:``, because a colon begins a verb there.

A bundle is made invisible first and looked for again behind all requests that may have found it before, so that none is
taken away under a job that names it, or an execution under way.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from jubako.core.errors import FailedPrecondition, NotFound
from jubako.runtime.bundles import Bundles
from jubako.store.port import Store, Tx
from jubako.wire.errors import JSON_TYPE
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller

Uses = Callable[[Tx], list[tuple[str, str]]]
"""Returns who runs an image, and the image."""
_TOLD_MAX = 5


class BundleRoutes:
    """Serves them."""

    def __init__(self, store: Store, bundles: Bundles, uses: Sequence[Uses]) -> None:
        self._store = store
        self._bundles = bundles
        self._uses = uses

    def routes(self) -> list[Extra]:
        """Return the routes."""
        one = "/jubako/v1/{name=bundles/*}"
        return [
            Extra(
                verb="GET", template="/jubako/v1/bundles", permission="jubako.bundles.list", handler=self.tell
            ),
            Extra(verb="DELETE", template=one, permission="jubako.bundles.delete", handler=self.delete),
        ]

    async def tell(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:
        """Tell of all bundles."""
        del request, variables, caller
        users = await self._store.read(self._users)
        names = self._bundles.names()
        found = [
            {
                "digest": digest,
                "names": sorted(name for name, meant in names.items() if meant == digest),
                "usedBy": users.get(digest, []),
            }
            for digest in self._bundles.digests()
        ]
        return _answer({"bundles": found})

    async def delete(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Remove a bundle and its names.

        Raises:
            FailedPrecondition: Somebody runs it, or a bundle is being built.
            NotFound: There is none.

        """
        del request, caller
        digest = f"sha256:{variables['name'].partition('/')[2]}"
        if self._bundles.get(digest) is None:
            raise NotFound(f"Bundle {digest[:80]!r} does not exist.")
        with _locked(self._bundles):
            _refuse(digest, (await self._store.read(self._users)).get(digest))
            # By now no job can be told what the name means; those that were told are in the store behind this write.
            names = self._bundles.withdraw(digest)
            users = (await self._store.write(lambda tx: self._users(tx, names))).get(digest)
            if users:
                self._bundles.restore(digest)
                _refuse(digest, users)
            await asyncio.to_thread(self._bundles.remove, digest)
        return _answer({})

    def _users(self, tx: Tx, names: Mapping[str, str] | None = None) -> dict[str, list[str]]:
        """Return who runs each digest; ``names`` says what images mean (default: what they do now)."""
        meant = self._bundles.names() if names is None else names
        users: dict[str, list[str]] = {}
        for uses in self._uses:
            for who, image in uses(tx):
                name, _, digest = image.partition("@")
                if digest := digest or meant.get(self._bundles.full_name(name), ""):
                    users.setdefault(digest, []).append(who)
        return users


def _refuse(digest: str, users: Sequence[str] | None) -> None:
    if users:
        more = f" and {len(users) - _TOLD_MAX} more" if len(users) > _TOLD_MAX else ""
        raise FailedPrecondition(f"{digest[:19]} is run by {', '.join(users[:_TOLD_MAX])}{more}.")


@contextmanager
def _locked(bundles: Bundles) -> Iterator[None]:
    """Keep builds out (cli/building/build.py)."""
    descriptor = os.open(bundles.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise FailedPrecondition("A bundle is being built; try again when it is.") from None
    finally:
        os.close(descriptor)


def _answer(document: object) -> HttpResponse:
    return HttpResponse(status=200, headers={"content-type": JSON_TYPE}, body=msgspec.json.encode(document))
