"""Homes: one metadata port each, remembered, taken again, and never shared."""

import asyncio
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from jubako.core.errors import InvalidArgument, Unavailable
from jubako.identity.acting import Register
from jubako.identity.environment import Files, under
from jubako.identity.homes import HomePorts, Homes
from jubako.identity.metadata import Metadata
from jubako.identity.tokens import Tokens
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents


@dataclass
class Ports:
    """Ports of a machine that has a few."""

    taken: set[int] = field(default_factory=set)
    following: int = 40_000

    async def listen(self, metadata: Metadata, port: int) -> tuple[int, "Ports"]:
        if port in self.taken:
            raise Unavailable("taken")
        if not port:
            self.following += 1
            port = self.following
        self.taken.add(port)
        return port, self

    async def close(self, grace: timedelta) -> None:
        self.taken.clear()


@pytest.fixture
async def make(tmp_path: Path, tokens: Tokens, clock: FakeClock):
    store = SqliteStore(None, clock, load("jubako.store", "jubako.identity"))
    files = Files(bundle=tmp_path / "bundle.pem", gcloud=tmp_path / "gcloud")

    def make(ports: Ports, events: RecordedEvents) -> Homes:
        register = Register(store, is_strict=False)
        parts = HomePorts(
            store=store, clock=clock, events=events, tokens=tokens, listen=ports.listen, register=register
        )
        return Homes(parts, "http://127.0.0.1:8123", files, "intranet.example")

    yield make
    await store.close()


Make = Callable[[Ports, RecordedEvents], Homes]


async def port_of(homes: Homes, account: str, project: str = "p") -> str:
    return (await homes.environment(project, "l", account))["GCE_METADATA_HOST"]


async def test_each_home_has_a_port_that_the_next_server_takes_again(make: Make) -> None:
    first = make(Ports(), RecordedEvents())
    before = {account: await port_of(first, account) for account in ("a", "b", "")}
    assert len(set(before.values())) == 3
    assert await port_of(first, "a@p.iam.gserviceaccount.com") == before["a"]
    await first.close()
    second = make(Ports(following=50_000), RecordedEvents())
    await second.open()
    assert {account: await port_of(second, account) for account in before} == before


async def test_a_port_that_somebody_else_took_is_told_and_replaced(make: Make) -> None:
    first = make(Ports(), RecordedEvents())
    before = await port_of(first, "a")
    events = RecordedEvents()
    second = make(Ports(taken={int(before.rpartition(":")[2])}, following=50_000), events)
    await second.open()
    assert await port_of(second, "a") != before
    assert events.named("metadata.port_taken")


async def test_a_new_account_is_told_once(make: Make) -> None:
    events = RecordedEvents()
    homes = make(Ports(), events)
    for project in ("p", "q", "p"):
        await port_of(homes, "shared@x.iam.gserviceaccount.com", project)
    assert len(events.named("service_account.created")) == 1


async def test_token_files_are_written_anew_before_they_expire(
    make: Make, clock: FakeClock, tokens: Tokens
) -> None:
    homes = make(Ports(), RecordedEvents())
    environment = await homes.environment("p", "l", "a")
    running = asyncio.create_task(homes.run())
    async with asyncio.timeout(10):
        await clock.wait_for_sleepers(1)
        for _ in range(3):  # an hour and a half: the first token is long over
            await clock.advance(timedelta(minutes=30))
            await clock.wait_for_sleepers(1)
    running.cancel()
    mode, token = read(environment["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"])
    assert mode == 0o600
    assert tokens.access(token) == "a@p.iam.gserviceaccount.com"


def read(name: str) -> tuple[int, str]:
    return stat.S_IMODE(Path(name).stat().st_mode), Path(name).read_text()


async def test_what_is_no_account_is_refused(make: Make) -> None:
    homes = make(Ports(), RecordedEvents())
    for account in ("a b", "a/b", "a\n@b", "x" * 300, "@"):
        with pytest.raises(InvalidArgument):
            await homes.environment("p", "l", account)


def test_who_sets_a_variable_means_its_other_name_too() -> None:
    given = {"https_proxy": "ours", "HTTPS_PROXY": "ours", "no_proxy": "x", "PATH": "/bin"}
    assert under(given, {"HTTPS_PROXY": "own"}) == {"HTTPS_PROXY": "own", "no_proxy": "x", "PATH": "/bin"}
