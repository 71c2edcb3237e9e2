"""The variables with which programs reach this server in place of Google, without a change to their code.

Sources: google-auth, grpc, requests, Node's tls, and gcloud read these; which of them reads what was tried out with
each. Lower-case ``https_proxy`` is for gRPC and curl, upper case for the rest.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from jubako.identity.accounts import Home

NO_PROXY = ("127.0.0.1", "localhost", "::1", "169.254.169.254", "metadata.google.internal")
SAME = ({"https_proxy", "HTTPS_PROXY"}, {"no_proxy", "NO_PROXY"})
"""Names of one setting: who sets one means both."""
NODE_PROXY = Path(__file__).with_name("node_proxy.cjs")
CONFLICTING = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    "ALL_PROXY",
    "all_proxy",
)
"""Variables of a person's own shell that would lead away from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files that the variables name."""

    bundle: Path
    """Our authority and the system's roots."""
    gcloud: Path
    """gcloud's configuration folder, so that the person's own is left alone."""

    owner: Path | None = None
    """Where the owner's token is kept; None: nobody needs one."""

    def token(self, home: Home) -> Path:
        """Return where a home's access token for gcloud is kept."""
        name = f"{home.project}/{home.location}/{home.account}"
        return self.gcloud.parent / "tokens" / hashlib.sha256(name.encode()).hexdigest()[:32]


class Environments(Protocol):
    """Knows the environment of programs."""

    async def environment(self, project: str, location: str, account: str) -> Mapping[str, str]:
        """Return the variables for a program of ``project`` that runs as ``account``.

        Args:
            project: Project.
            location: Location.
            account: As the API names it; empty for the project's default account.

        Raises:
            InvalidArgument: ``account`` is no service account.
            Unavailable: They cannot be had right now.

        """
        ...


class NoEnvironments:
    """Programs get nothing: for engines without an identity behind them."""

    async def environment(self, project: str, location: str, account: str) -> Mapping[str, str]:
        """See Environments."""
        del project, location, account
        return {}


def variables(home: Home, base_url: str, metadata_port: int, files: Files, no_proxy: str) -> dict[str, str]:
    """Return the variables for programs of ``home``.

    Args:
        home: As whom, and where, they run.
        base_url: Address of this server.
        metadata_port: Where the home's metadata server listens, on 127.0.0.1.
        files: Files to name.
        no_proxy: Names that need no proxy besides ours, comma-separated.

    """
    bundle, metadata = str(files.bundle), f"127.0.0.1:{metadata_port}"
    direct = ",".join(
        dict.fromkeys([*NO_PROXY, *(name.strip() for name in no_proxy.split(",") if name.strip())])
    )
    proxy = f"http://{urlsplit(base_url).netloc}"
    return {
        "https_proxy": proxy,
        "HTTPS_PROXY": proxy,
        "no_proxy": direct,
        "NO_PROXY": direct,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": bundle,
        "HTTPLIB2_CA_CERTS": bundle,
        "NODE_EXTRA_CA_CERTS": bundle,
        "NODE_OPTIONS": f'--require "{NODE_PROXY}"',
        "GCE_METADATA_HOST": metadata,
        "GCE_METADATA_IP": metadata,
        "GCE_METADATA_ROOT": metadata,
        "METADATA_SERVER_DETECTION": "assume-present",
        "GOOGLE_CLOUD_PROJECT": home.project,
        "CLOUDSDK_CONFIG": str(files.gcloud),
        "CLOUDSDK_CORE_PROJECT": home.project,
        "CLOUDSDK_RUN_REGION": home.location,
        "CLOUDSDK_WORKFLOWS_LOCATION": home.location,
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(files.token(home)),
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": bundle,
        "CLOUDSDK_CORE_SHOULD_PROMPT_TO_ENABLE_API": "false",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "JUBAKO_SERVER": base_url,
        "JUBAKO_TOKEN_FILE": str(files.token(home)),
    }


def under(given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return ``own`` over ``given``: a setting that ``own`` makes under one name is not made under its other names."""
    dropped = {name for names in SAME if names & own.keys() for name in names}
    return {name: value for name, value in given.items() if name not in dropped} | dict(own)
