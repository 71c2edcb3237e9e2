"""What a program's metadata server answers: pure, without a socket.

1. Every request needs ``Metadata-Flavor: Google`` and must not come through a proxy: a page in a browser, or a server
   that is tricked into fetching a URL, cannot send the one and would often send the other.
2. Every reply has that header too; clients look for it.

Source: cloud.google.com/compute/docs/metadata/querying-metadata, .../predefined-metadata-keys; what google-auth and
gcloud ask for.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from jubako.identity.accounts import Home
from jubako.identity.tokens import CLOUD_PLATFORM, LIFETIME, Tokens
from jubako.wire.addresses import project_number
from jubako.wire.http import HttpRequest, HttpResponse

FLAVOR = {"metadata-flavor": "Google", "server": "Metadata Server for VM"}
ROOT = "/computeMetadata/v1"
SCOPES = (CLOUD_PLATFORM, "https://www.googleapis.com/auth/userinfo.email")
_FORWARDING = ("x-forwarded-for", "forwarded", "x-forwarded-host", "via")
_AUDIENCE_MAX = 4096


class Metadata:
    """The metadata server of one home."""

    def __init__(self, home: Home, tokens: Tokens) -> None:
        self._home = home
        self._tokens = tokens
        self._tree = _tree(home)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Return the reply; never raises."""
        refusal = _refusal(request)
        if refusal is not None:
            return refusal
        path = unquote(request.path)
        if path in {"", "/", "/computeMetadata", "/computeMetadata/"}:
            return _text(200, "computeMetadata/\n")
        if path.rstrip("/") != ROOT and not path.startswith(f"{ROOT}/"):
            return _text(404, "Not found.")
        return self._below(path.removeprefix(ROOT), parse_qs(request.query, keep_blank_values=True))

    def _below(self, path: str, query: Mapping[str, Sequence[str]]) -> HttpResponse:
        segments = [segment for segment in path.split("/") if segment]
        made = self._made(segments, query)
        if made is not None:
            return made
        value = _find(self._tree, segments)
        if value is None:
            return _text(404, "Not found.")
        if not isinstance(value, dict):
            return _text(200, value)
        if query.get("recursive", [""])[0].lower() == "true":
            shown = _camel(value)
            return _json(shown if segments else {"instance": shown["instance"], "project": shown["project"]})
        return _text(
            200, "".join(f"{name}/\n" if isinstance(v, dict) else f"{name}\n" for name, v in value.items())
        )

    def _made(self, segments: Sequence[str], query: Mapping[str, Sequence[str]]) -> HttpResponse | None:
        """Return what is made for the asking: tokens."""
        if segments[:2] != ["instance", "service-accounts"] or len(segments) != 4:
            return None
        if segments[2] not in {"default", self._home.account}:
            return None
        makers: Mapping[str, Callable[[Mapping[str, Sequence[str]]], HttpResponse]] = {
            "token": self._token,
            "identity": self._identity,
        }
        maker = makers.get(segments[3])
        return None if maker is None else maker(query)

    def _token(self, query: Mapping[str, Sequence[str]]) -> HttpResponse:
        scopes = [
            scope for scope in query.get("scopes", [""])[0].replace(",", " ").split() if scope
        ] or SCOPES
        token = self._tokens.access_token(self._home.account, scopes)
        seconds = int(LIFETIME.total_seconds())
        return _json({"access_token": token, "expires_in": seconds, "token_type": "Bearer"})

    def _identity(self, query: Mapping[str, Sequence[str]]) -> HttpResponse:
        audience = query.get("audience", [""])[0]
        if not audience or len(audience) > _AUDIENCE_MAX:
            return _text(400, "non-empty audience parameter required")
        # format=standard has no email at Google for Compute Engine; Cloud Run always has it.
        return _text(200, self._tokens.id_token(self._home.account, audience))


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if request.method not in {"GET", "HEAD"}:
        return _text(405, "Only GET is served here.")
    if request.headers.get("metadata-flavor") != "Google":
        return _text(403, "Missing Metadata-Flavor:Google header.")
    if any(name in request.headers for name in _FORWARDING):
        return _text(403, "Requests that come through a proxy are refused.")
    return None


def _tree(home: Home) -> dict[str, Any]:
    number = str(project_number(home.project))
    account = {"aliases": "default\n", "email": home.account, "scopes": "\n".join(SCOPES) + "\n"}
    instance = hashlib.sha256(f"{home.project}/{home.location}/{home.account}".encode()).hexdigest()
    return {
        "instance": {
            "id": instance,
            "region": f"projects/{number}/regions/{home.location}",
            "zone": f"projects/{number}/zones/{home.location}-1",
            "service-accounts": {home.account: account, "default": account},
        },
        "project": {"numeric-project-id": number, "project-id": home.project},
        "universe": {"universe-domain": "googleapis.com"},
    }


def _find(tree: dict[str, Any], segments: Sequence[str]) -> Any:  # noqa: ANN401 - a text or a directory
    value: Any = tree
    for segment in segments:
        if not isinstance(value, dict):
            return None
        value = value.get(segment)
    return value


def _camel(value: Any, name: str = "") -> Any:  # noqa: ANN401
    """Return a directory as ``recursive=true`` shows it: camelCase names, lists as lists."""
    if isinstance(value, dict):
        return {_camel_name(key): _camel(inner, key) for key, inner in value.items()}
    if name in {"aliases", "scopes"}:
        return value.split()
    return int(value) if name == "numeric-project-id" else value


def _camel_name(name: str) -> str:
    if "@" in name:
        return name
    first, *rest = name.split("-")
    return first + "".join(part.capitalize() for part in rest)


def _text(status: int, text: str) -> HttpResponse:
    return HttpResponse(
        status=status, headers={"content-type": "application/text", **FLAVOR}, body=text.encode()
    )


def _json(value: Any) -> HttpResponse:  # noqa: ANN401
    headers = {"content-type": "application/json", **FLAVOR}
    return HttpResponse(status=200, headers=headers, body=msgspec.json.encode(value))
