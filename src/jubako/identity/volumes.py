"""Volumes of a container: which can be, which secret versions they name, and what is mounted when it starts.

1. Secrets and directories in memory are mounted; what comes over a network is refused by name.
2. Versions of secrets follow the rules of variables from secrets (``secret_variables``).
3. A directory in memory counts as memory of the container. Without a size it has half of the container's.

Sources: google/cloud/run/v2/k8s.min.proto and vendor_settings.proto, comments of Volume, VolumeMount and their parts;
gcloud 528, ``--add-volume``; Cloud Run, "Configure secrets", mounting.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jubako.core.errors import FailedPrecondition, InvalidArgument
from jubako.identity.secrets import SecretRef, parse_ref
from jubako.runtime.port import Mount, SecretFile
from jubako.wire.codec import invalid
from jubako.wire.quantities import memory_of, quantity
from jubako.wire.run_checks import cannot
from jubako.wire.run_types import Container, EmptyDirVolumeSource, SecretVolumeSource, Volume, VolumeMount

DEFAULT_MODE = 0o444
MODE_MAX = 0o777
MEMORY_BYTES_DEFAULT = 512 << 20
"""Of a container that does not say. Source: Cloud Run, "Configure memory limits"."""
RESERVED_PATHS = ("/dev", "/proc", "/sys")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,299}\Z", re.ASCII)
_FROM_NETWORK = ("gcs", "nfs", "cloud_sql_instance")


def check(path: str, volumes: Sequence[Volume], container: Container) -> None:
    """Check volumes, and where a container has them mounted.

    Args:
        path: Of the message that holds both, in the request.
        volumes: The volumes.
        container: The one container.

    Raises:
        InvalidArgument: One is wrong.
        Unimplemented: One cannot be honoured.

    """
    names: set[str] = set()
    for position, volume in enumerate(volumes):
        place = f"{path}.volumes[{position}]"
        if not _NAME.match(volume.name):
            raise invalid(
                f"{place}.name",
                f"{volume.name[:100]!r} cannot name a volume: letters, digits, '.', '_', '-'.",
            )
        if volume.name in names:
            raise invalid(f"{place}.name", f"{volume.name!r} is given twice.")
        names.add(volume.name)
        _source(place, volume)
    _mounts(f"{path}.containers[0].volume_mounts", container.volume_mounts, names)


@dataclass(frozen=True, slots=True)
class Volumes:
    """The volumes of a container, as far as it has them mounted."""

    volumes: Sequence[Volume] = ()
    container: Container = field(default_factory=Container)
    project: str = ""
    """Where secrets are that name no project."""

    def refs(self) -> set[SecretRef]:
        """Return the secret versions that are needed."""
        secrets = [volume.secret for _, volume in self._mounted() if volume.secret is not None]
        return {ref for secret in secrets for ref in _items(secret, self.project).values()}

    def mounts(self, values: Mapping[SecretRef, bytes]) -> tuple[Mount, ...]:
        """Return what to mount; ``values`` has all of ``refs``."""
        return tuple(
            _mount(one.mount_path.rstrip("/"), volume, self, values) for one, volume in self._mounted()
        )

    def require(self, missing: str) -> None:
        """Return if what is wanted can be mounted; ``missing`` says why nothing can, "" if it can.

        Raises:
            FailedPrecondition: It cannot.

        """
        if missing and self.container.volume_mounts:
            raise FailedPrecondition(
                f"containers[0].volume_mounts: no volumes can be mounted here: {missing}."
            )

    def _mounted(self) -> list[tuple[VolumeMount, Volume]]:
        by_name = {volume.name: volume for volume in self.volumes}
        return [(one, by_name[one.name]) for one in self.container.volume_mounts if one.name in by_name]


def _mount(path: str, volume: Volume, of: Volumes, values: Mapping[SecretRef, bytes]) -> Mount:
    if volume.secret is None:
        return Mount(path=path, volume=volume.name, size_bytes=_size(volume.empty_dir, of.container))
    secret = volume.secret
    modes = {item.path: item.mode for item in secret.items}
    files = tuple(
        SecretFile(
            path=file, content=values[ref], mode=modes.get(file) or secret.default_mode or DEFAULT_MODE
        )
        for file, ref in _items(secret, of.project).items()
    )
    return Mount(path=path, volume=volume.name, files=files)


def _items(secret: SecretVolumeSource, project: str) -> Mapping[str, SecretRef]:
    """Return the secret version of each file."""
    if secret.items:
        return {item.path: parse_ref(project, secret.secret, item.version) for item in secret.items}
    ref = parse_ref(project, secret.secret, "")
    return {ref.secret: ref}


def _size(given: EmptyDirVolumeSource | None, container: Container) -> int:
    memory = memory_of(container)
    if given is None or not given.size_limit:
        return (memory or MEMORY_BYTES_DEFAULT) // 2
    size = int(quantity(given.size_limit))
    return size if memory is None else min(size, memory)


def _source(place: str, volume: Volume) -> None:
    for source in _FROM_NETWORK:
        if getattr(volume, source) is not None:
            raise cannot(f"{place}.{source}")
    if volume.secret is not None:
        _secret(f"{place}.secret", volume.secret)
    elif volume.empty_dir is None:
        raise invalid(place, "is neither a secret nor an empty_dir.")
    elif volume.empty_dir.size_limit:
        try:
            quantity(volume.empty_dir.size_limit)
        except InvalidArgument as error:
            raise invalid(f"{place}.empty_dir.size_limit", error.message) from None


def _secret(place: str, secret: SecretVolumeSource) -> None:
    _mode(f"{place}.default_mode", secret.default_mode)
    paths: set[str] = set()
    _ref(place, secret.secret, "")
    for position, item in enumerate(secret.items):
        of_item = f"{place}.items[{position}]"
        _mode(f"{of_item}.mode", item.mode)
        _ref(of_item, secret.secret, item.version)
        parts = item.path.split("/")
        if not _is_plain(item.path) or not all(parts) or {".", ".."} & set(parts):
            raise invalid(f"{of_item}.path", f"{item.path[:100]!r} is not the relative path of a file.")
        if any(_is_within(item.path, one) or _is_within(one, item.path) for one in paths):
            raise invalid(f"{of_item}.path", f"{item.path[:100]!r} is given twice.")
        paths.add(item.path)


def _ref(place: str, secret: str, version: str) -> None:
    try:
        parse_ref("project", secret, version)
    except InvalidArgument as error:
        name, _, reason = error.message.partition(": ")
        raise invalid(f"{place}.{name}", reason) from None


def _mode(place: str, mode: int) -> None:
    if not 0 <= mode <= MODE_MAX:
        raise invalid(place, f"{mode} is not between 0 and {MODE_MAX} (0o777).")


def _mounts(path_of_all: str, mounts: Sequence[VolumeMount], names: set[str]) -> None:
    paths: set[str] = set()
    for position, mount in enumerate(mounts):
        place = f"{path_of_all}[{position}]"
        if mount.name not in names:
            raise invalid(f"{place}.name", f"{mount.name[:100]!r} is not a volume.")
        if mount.sub_path:
            raise cannot(f"{place}.sub_path")
        path = mount.mount_path.rstrip("/")
        parts = path.split("/")[1:]
        if not path.startswith("/") or not _is_plain(path) or not all(parts) or {".", ".."} & set(parts):
            raise invalid(
                f"{place}.mount_path", f"{mount.mount_path[:100]!r} is not an absolute path below '/'."
            )
        if any(_is_within(path, one) for one in RESERVED_PATHS):
            raise invalid(
                f"{place}.mount_path", f"nothing can be mounted at {', '.join(RESERVED_PATHS)} or below."
            )
        if path in paths:
            raise invalid(f"{place}.mount_path", f"{path[:100]!r} is given twice.")
        paths.add(path)


def _is_within(path: str, other: str) -> bool:
    return f"{path}/".startswith(f"{other}/")


def _is_plain(path: str) -> bool:
    return len(path) <= 4_096 and not any(
        character == "\0" or "\ud800" <= character <= "\udfff" for character in path
    )
