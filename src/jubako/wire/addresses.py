"""The addresses of deployed services, and which names on the internet are played by us.

A service's address is ``https://NAME-NUMBER.LOCATION.run.app``; NUMBER stands for the project. Source: Cloud Run,
"Deterministic URL". Google's project numbers are given out; ours are computed, so that an address needs no lookup.
"""

import hashlib
from functools import lru_cache

_LEAST = 100_000_000_000


@lru_cache(maxsize=1024)
def project_number(project: str) -> int:
    """Return the number of a project: 12 digits, the same on every machine."""
    digest = hashlib.sha256(project.encode()).digest()
    return _LEAST + int.from_bytes(digest[:8], "big") % (9 * _LEAST)


def service_host(project: str, location: str, name: str) -> str:
    """Return the host name of a service, such as telop-123456789012.asia-northeast1.run.app."""
    return f"{name}-{project_number(project)}.{location}.run.app"


def service_uri(project: str, location: str, name: str) -> str:
    """Return the address of a service."""
    return f"https://{service_host(project, location, name)}"


def host_name(authority: str) -> str:
    """Return the name of an authority in lower case, without its port: ``[::1]:80`` gives ``[::1]``."""
    name, bracket, _ = authority.rpartition("]")
    if bracket:
        return f"{name}]".lower()
    return authority.partition(":")[0].lower()


@lru_cache(maxsize=1024)
def is_api_host(name: str, api_hosts: frozenset[str]) -> bool:
    """Return whether ``name`` is one of Google's API names that we serve, or its regional form.

    ``asia-northeast1-run.googleapis.com`` is the regional form of ``run.googleapis.com``.
    """
    if name in api_hosts:
        return True
    return any(name.endswith(f"-{host}") and "." not in name.removesuffix(f"-{host}") for host in api_hosts)


@lru_cache(maxsize=1024)
def is_service_host(name: str) -> bool:
    """Return whether ``name`` has the form of a service's host name; the service need not exist."""
    stem, _, rest = name.partition(".")
    return rest.count(".") == 2 and rest.endswith(".run.app") and stem.rpartition("-")[2].isdigit()
