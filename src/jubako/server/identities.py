"""Identity, put together: keys and authority in the state directory, tokens, homes, and who plays which name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jubako.core.errors import Unavailable
from jubako.identity.access import LoopbackAccess
from jubako.identity.account_keys import AccountKeys
from jubako.identity.acting import Register
from jubako.identity.environment import Files
from jubako.identity.homes import HomePorts, Homes, write_bundle
from jubako.identity.invoker import Rules
from jubako.identity.keys import SigningKey
from jubako.identity.metadata import Metadata
from jubako.identity.tokens import Tokens
from jubako.server.ground import Ground
from jubako.server.iam import access
from jubako.wire.addresses import is_service_host
from jubako.wire.authority import Authority
from jubako.wire.connect import ConnectDoor, ConnectPorts, Inside
from jubako.wire.dial import Dialer
from jubako.wire.gateway import ServiceGateway
from jubako.wire.listener import Listener
from jubako.wire.plain import Plain

FOLDER = "identity"
ACCOUNTS_HOST = "accounts.google.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """What the server knows of identity."""

    authority: Authority
    key: SigningKey
    account_keys: AccountKeys
    tokens: Tokens
    homes: Homes
    access: LoopbackAccess
    register: Register
    rules: Rules
    host_names: Sequence[str]
    """Names of this server besides localhost."""


def identities(
    ground: Ground, environ: Mapping[str, str], rules: Rules, host_names: Sequence[str]
) -> Identities:
    """Return the identity of this install, made now if there is none.

    Raises:
        Unavailable: Its files cannot be read or written.

    """
    folder = ground.state.path / FOLDER
    owner = folder / "owner.token"
    files = Files(
        bundle=folder / "bundle.pem", gcloud=folder / "gcloud", owner=owner if rules.authenticates else None
    )
    try:
        for path in (folder, files.gcloud, folder / "accounts"):
            path.mkdir(mode=0o700, exist_ok=True)
        authority = Authority(folder, ground.wall)
        key = SigningKey.load(folder / "signing.key")
        write_bundle(files.bundle, authority.certificate_pem, environ)
        owner.unlink(missing_ok=True)  # of a server that asked for it
    except OSError as error:
        raise Unavailable(f"{folder} cannot be used: {error.strerror}.") from error
    tokens = Tokens(key, ground.wall)
    register = Register(ground.store, is_strict=rules.is_strict)
    ports = HomePorts(
        store=ground.store,
        clock=ground.wall,
        events=ground.events,
        tokens=tokens,
        listen=listen_metadata,
        register=register,
    )
    homes = Homes(ports, ground.base_url, files, _either(environ, "no_proxy"))
    return Identities(
        authority=authority,
        key=key,
        account_keys=AccountKeys(folder / "accounts", ground.store),
        tokens=tokens,
        homes=homes,
        access=access(ground.store, tokens, rules),
        register=register,
        rules=rules,
        host_names=host_names,
    )


async def listen_metadata(metadata: Metadata, port: int) -> tuple[int, Listener]:
    """See identity.homes.Listen."""
    listener = Listener(Plain(metadata.answer))
    return await listener.start("127.0.0.1", port), listener


class PlayedNames:
    """See connect.Names: all of Google's APIs end here, the ones we do not have too, and deployed services."""

    def __init__(self, gateway: ServiceGateway) -> None:
        self._gateway = gateway

    async def plays(self, name: str) -> bool:
        """See connect.Names."""
        if name.endswith(".googleapis.com") or name == ACCOUNTS_HOST:
            return True
        return is_service_host(name) and await self._gateway.locate(name) is not None


def connect_door(
    ground: Ground, known: Identities, gateway: ServiceGateway, inside: Inside, dial: Dialer | None
) -> ConnectDoor:
    """Return the door for programs that believe they talk to Google."""
    ports = ConnectPorts(
        names=PlayedNames(gateway), contexts=known.authority, dial=dial, events=ground.events
    )
    return ConnectDoor(ports, inside)


def dialer(ground: Ground, environ: Mapping[str, str]) -> Dialer:
    """Return the way to the outside: through the proxy that this machine uses, if it does."""
    proxy = _either(environ, "https_proxy")
    if proxy.rstrip("/") == ground.base_url:  # started in the environment of its own predecessor
        proxy = ""
    return Dialer(proxy, _either(environ, "no_proxy"))


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""
