"""Who may reach the port through a browser: the Host allow-list and the Origin check.

An open local port that runs commands is reachable from any web page: by a plain cross-site request, or by a name of the
page's own that it lets resolve to 127.0.0.1 (DNS rebinding). Both are refused on every method and path.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from jubako.core.errors import InvalidArgument, PermissionDenied
from jubako.wire.addresses import host_name

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
SUFFIXES = (".googleapis.com", ".run.app")
"""Google's names, which reach us through the CONNECT front. Nobody else can make them resolve to this machine."""


class Origins:
    """The names under which this server may be asked."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = LOOPBACK | {name.lower() for name in names}

    def check(self, hosts: list[str], origins: list[str]) -> str:
        """Return the name (without port) by which a request calls us.

        Args:
            hosts: The values of its Host headers.
            origins: The values of its Origin headers.

        Raises:
            InvalidArgument: There is not exactly one Host.
            PermissionDenied: The Host is not ours, or the request comes from another site's page.

        """
        if len(hosts) != 1:
            raise InvalidArgument("A request needs exactly one Host header.")
        name = host_name(hosts[0])
        if not self._is_ours(name):
            raise PermissionDenied("This server does not answer to the name in the Host header.")
        for origin in origins:
            if not self._is_same_site(origin, hosts[0]):
                raise PermissionDenied("Requests from pages of other sites are refused (Origin header).")
        return name

    def answers_to(self, authority: str) -> bool:
        """Return whether ``authority``, with or without a port, is a name by which this server may be asked."""
        return self._is_ours(host_name(authority))

    def _is_ours(self, name: str) -> bool:
        return name in self._names or any(name.endswith(suffix) and name != suffix for suffix in SUFFIXES)

    def _is_same_site(self, origin: str, host: str) -> bool:
        try:
            authority = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        if authority == host.lower():
            return True
        # localhost and 127.0.0.1 are the same place, but another port is another program.
        return host_name(authority) in self._names and _port(authority) == _port(host)


def _port(authority: str) -> str:
    return authority.lower().removeprefix(host_name(authority))
