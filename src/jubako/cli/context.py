"""What every command is given: which server, which project and location, and how to print."""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

from jubako.cli.client import Client
from jubako.cli.errors import UsageError
from jubako.cli.formats import Each, Format, parse_format
from jubako.cli.paths import Path as DocumentPath
from jubako.cli.paths import parse_keys, parse_path, sort, split_list
from jubako.cli.terminal import Terminal
from jubako.cli.transforms import Document

DEFAULT_SERVER = "http://127.0.0.1:8123"
DEFAULT_STATE = ".jubako"
OWNER_TOKEN = "identity/owner.token"  # noqa: S105 - a path
PROJECT_VARIABLES = ("CLOUDSDK_CORE_PROJECT", "GOOGLE_CLOUD_PROJECT")
LOCATION_VARIABLES = (
    "CLOUDSDK_RUN_REGION",
    "CLOUDSDK_WORKFLOWS_LOCATION",
    "GOOGLE_CLOUD_LOCATION",
    "GOOGLE_CLOUD_REGION",
)
_NAME = re.compile(r"[^\s/:?#%\x00-\x1f\x7f]{1,256}\Z")


class Context:
    """The surroundings of one command."""

    def __init__(
        self, *, server: str, state: Path, project: str, location: str, environ: Mapping[str, str]
    ) -> None:
        self.server = server
        self.state = state
        self.project = project
        self.location = location
        self.environ = environ
        self.is_server_given = False
        self.format: Format | None = None
        self.spread: Sequence[DocumentPath] = ()
        """Of ``--flatten``: lists whose items become documents of their own."""
        self.is_quiet = False
        self.out = Terminal(sys.stdout, environ)
        self.err = Terminal(sys.stderr, environ)

    @classmethod
    def resolve(cls, args: argparse.Namespace, environ: Mapping[str, str]) -> "Context":
        """Settle every common flag: the command line first, then the environment, then the default.

        Raises:
            UsageError: A format nobody knows, or a project or location that cannot be part of a resource name.

        """
        given = vars(args)
        state = Path(given.get("state") or environ.get("JUBAKO_STATE") or DEFAULT_STATE)
        named = given.get("server") or environ.get("JUBAKO_SERVER")
        server = named or recorded_server(state) or DEFAULT_SERVER
        context = cls(
            server=server,
            state=state,
            project=segment(given.get("project") or first(environ, PROJECT_VARIABLES) or "local", "project"),
            location=segment(
                given.get("location") or first(environ, LOCATION_VARIABLES) or "asia-northeast1", "location"
            ),
            environ=environ,
        )
        context.format = parse_format(given["format"]) if given.get("format") else None
        context.spread = [
            parse_path(key, "--flatten") for key in split_list(given.get("flatten") or "") if key
        ]
        context.is_server_given = bool(named)
        context.is_quiet = given.get("quiet", False)
        return context

    @cached_property
    def client(self) -> Client:
        """The connection to the server, opened at the first call."""
        return Client(self.server, token=self._token())

    def _token(self) -> str | None:
        """Return the token to show: that of ``exec``, or the owner's where the state directory holds one."""
        given = (
            self.environ.get("JUBAKO_TOKEN_FILE")
            if self.server == self.environ.get("JUBAKO_SERVER")
            else None
        )
        if not given and recorded_server(self.state) == self.server:
            given = str(self.state / OWNER_TOKEN)
        try:
            return Path(given).read_text("ascii").strip() if given else None
        except (OSError, UnicodeDecodeError):
            return None

    def close(self) -> None:
        """Close the connection, if there was one."""
        if "client" in vars(self):
            self.client.close()

    @property
    def parent(self) -> str:
        """``projects/P/locations/L``."""
        return f"projects/{self.project}/locations/{self.location}"

    def resource(self, collection: str, name: str) -> str:
        """Return the full name of ``name`` in ``collection`` (``jobs``); a full name comes back as it is.

        Raises:
            UsageError: ``name`` cannot be part of a resource name.

        """
        if name.startswith("projects/"):
            for part in name.split("/"):
                segment(part, collection)
            return name
        return f"{self.parent}/{collection}/{segment(name, collection)}"

    def note(self, text: str) -> None:
        """Tell the person something that is not the command's result, unless --quiet."""
        if not self.is_quiet:
            self.err.print(text)

    def show_list(self, args: argparse.Namespace, documents: Iterable[Document], default: Format) -> None:
        """Print what ``--filter`` lets pass, in the order of ``--sort-by``, at most ``--limit`` of it.

        As gcloud does, ``--flatten`` comes before all of them.
        """
        from jubako.cli.filters import parse_filter  # noqa: PLC0415 - most commands have no list

        self.client.page_size = args.page_size
        passes = parse_filter(args.filter) if args.filter else lambda _: True
        spread, self.spread = self.spread, ()
        found: Iterable[Document] = (one for one in _flattened(documents, spread) if passes(one))
        if args.sort_by:
            found = sort(list(found), parse_keys(args.sort_by))
        uris = Each(lambda document: self.client.address_of(document["name"]))
        self.show(list(islice(found, args.limit)), uris if args.uri else default)

    def show(self, value: object, default: Format) -> None:
        """Print a command's result in the wanted format, or in the command's own."""
        if self.spread:
            value = list(_flattened(value if isinstance(value, list) else [value], self.spread))
        for line in (self.format or default).lines(value, self.out):
            self.out.print(line)


def _flattened(documents: Iterable[Document], spread: Sequence[DocumentPath]) -> Iterator[Document]:
    for path in spread:
        documents = (one for document in documents for one in path.spread(document))
    yield from documents


def segment(text: str, what: str) -> str:
    """Return ``text`` if it can be one segment of a resource name; raise UsageError naming ``what``."""
    if not _NAME.match(text):
        raise UsageError(f"{text!r} is not a name ({what}): no spaces, slashes, colons, ?, # or %.")
    return text


def first(environ: Mapping[str, str], variables: tuple[str, ...]) -> str | None:
    """Return the value of the first of ``variables`` that is set and not empty."""
    return next((environ[name] for name in variables if environ.get(name)), None)


def recorded_server(state: Path) -> str | None:
    """Return the address that the server of this state directory wrote down, if it did."""
    try:
        record = json.loads((state / "server.json").read_bytes())
    except (OSError, ValueError):
        return None
    address = record.get("address") if isinstance(record, dict) else None
    return address if isinstance(address, str) and address.startswith("http") else None


def basename(name: str) -> str:
    """Return the last segment of a resource name."""
    return name.rsplit("/", 1)[-1]
