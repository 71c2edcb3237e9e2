"""Flags that mount volumes: ``--add-volume`` and its family, and secrets as files (``--set-secrets /PATH=...``).

Source: ``gcloud run jobs deploy``: a secret's file ``/DIR/FILE`` is an item of a volume that is mounted at ``/DIR``,
one secret per directory.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jubako.cli.errors import UsageError
from jubako.cli.flags import Merge, pairs, words

Template = dict[str, Any]
"""What has ``volumes`` and ``containers``, as JSON."""
Volume = dict[str, Any]
_IN_MEMORY, _SECRET = "in-memory", "secret"
_FIELDS = {_IN_MEMORY: (set(), {"size-limit"}), _SECRET: ({"secret", "version", "path"}, set())}
"""Fields that a type of volume must have, and those that it may have, beside name and type."""


def add_volume_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    family = parser.add_argument_group("volumes")
    family.add_argument(
        "--add-volume",
        metavar="name=NAME,type=TYPE,...",
        type=pairs,
        action="append",
        help="type=in-memory[,size-limit=SIZE], or type=secret,secret=SECRET,version=VERSION,path=FILE",
    )
    family.add_argument("--remove-volume", metavar="NAME,...", type=words, action=Merge, help="not these")
    family.add_argument("--clear-volumes", action="store_true", help="none, and no secrets as files")
    family.add_argument(
        "--add-volume-mount",
        metavar="volume=NAME,mount-path=DIR",
        type=pairs,
        action="append",
        help="where the program sees a volume",
    )
    family.add_argument(
        "--remove-volume-mount", metavar="DIR,...", type=words, action=Merge, help="not at these"
    )
    family.add_argument("--clear-volume-mounts", action="store_true", help="at none")


def edit_volumes(template: Template, container: dict[str, Any], args: argparse.Namespace) -> None:
    """Make of ``template`` and its ``container`` what the flags say.

    Raises:
        UsageError: A flag has a value that cannot be.

    """
    edit = _Edit(
        {volume["name"]: volume for volume in template.get("volumes", [])},
        {mount["mountPath"].rstrip("/"): mount["name"] for mount in container.get("volumeMounts", [])},
    )
    _remove(edit, args)
    for given in args.add_volume or ():
        edit.volumes[given.get("name", "")] = _volume(given)
    for given in args.add_volume_mount or ():
        if given.keys() != {"volume", "mount-path"}:
            raise UsageError("--add-volume-mount: give volume=NAME,mount-path=DIR.")
        edit.mounts[given["mount-path"].rstrip("/")] = given["volume"]
    _edit_secrets(edit, args)
    _put(template, "volumes", list(edit.volumes.values()))
    _put(
        container,
        "volumeMounts",
        [{"name": name, "mountPath": path} for path, name in edit.mounts.items()],
    )


@dataclass
class _Edit:
    volumes: dict[str, Volume]
    mounts: dict[str, str]
    """Name of the volume at each path."""
    written: set[str] = field(default_factory=set)
    """Directories whose secret the flags name."""

    def remove(self, name: str) -> None:
        self.volumes.pop(name, None)
        self.mounts = {path: volume for path, volume in self.mounts.items() if volume != name}

    def remove_file(self, path: str) -> None:
        directory, _, file = path.rpartition("/")
        volume = self._secret_at(directory)
        items = [item for item in volume["secret"].get("items", []) if item["path"] != file] if volume else []
        if volume is not None and items:
            self.volumes[volume["name"]] = _secret(volume["name"], volume["secret"]["secret"], items)
        elif volume is not None:
            self.remove(volume["name"])

    def add_file(self, path: str, secret: str, version: str) -> None:
        directory, _, file = path.rpartition("/")
        volume = self._secret_at(directory)
        items: list[dict[str, Any]] = []
        if volume is not None and volume["secret"]["secret"] == secret:
            items = [item for item in volume["secret"].get("items", []) if item["path"] != file]
        elif directory in self.written:
            raise UsageError(f"{path}: another secret is in {directory} already; a directory has one secret.")
        name = volume["name"] if volume is not None else self._free_name(secret)
        self.written.add(directory)
        self.volumes[name] = _secret(name, secret, [*items, {"path": file, "version": version}])
        self.mounts[directory] = name

    def _secret_at(self, directory: str) -> Volume | None:
        volume = self.volumes.get(self.mounts.get(directory, ""))
        return volume if volume is not None and "secret" in volume else None

    def _free_name(self, secret: str) -> str:
        stem = secret.rpartition("/")[2]
        names = [stem, *(f"{stem}-{number}" for number in range(2, len(self.volumes) + 3))]
        return next(name for name in names if name not in self.volumes)


def _remove(edit: _Edit, args: argparse.Namespace) -> None:
    if args.clear_volumes:
        edit.volumes.clear()
    if args.clear_volumes or args.clear_volume_mounts:
        edit.mounts.clear()
    for name in args.remove_volume or ():
        edit.remove(name)
    for path in args.remove_volume_mount or ():
        edit.mounts.pop(path.rstrip("/"), None)


def _edit_secrets(edit: _Edit, args: argparse.Namespace) -> None:
    if args.clear_secrets or args.set_secrets is not None:
        for name in [name for name, volume in edit.volumes.items() if "secret" in volume]:
            edit.remove(name)
    for path in args.remove_secrets or ():
        if path.startswith("/"):
            edit.remove_file(path)
    for path, value in {**(args.set_secrets or {}), **(args.update_secrets or {})}.items():
        if path.startswith("/"):
            edit.add_file(path, *split_version(path, value))


def split_version(name: str, value: str) -> tuple[str, str]:
    """Return secret and version of ``NAME=SECRET:VERSION``. Raises UsageError if there is no version."""
    secret, colon, version = value.rpartition(":")
    if not colon:
        raise UsageError(f"{name}={value}: a version is missing.", f"Such as {name}={value}:latest.")
    return secret, version


def _volume(given: Mapping[str, str]) -> Volume:
    kind, name = given.get("type", ""), given.get("name", "")
    if kind not in _FIELDS or not name:
        raise UsageError(f"--add-volume: give name=NAME and type={' or type='.join(_FIELDS)}.")
    required, optional = _FIELDS[kind]
    fields = given.keys() - {"name", "type"}
    if fields - required - optional or required - fields:
        words_ = ", ".join(sorted(required | optional))
        raise UsageError(f"--add-volume: a volume of type {kind} takes {words_}.")
    if kind == _SECRET:
        return _secret(name, given["secret"], [{"path": given["path"], "version": given["version"]}])
    size = given.get("size-limit")
    return {"name": name, "emptyDir": {"medium": "MEMORY", **({"sizeLimit": size} if size else {})}}


def _secret(name: str, secret: str, items: list[dict[str, Any]]) -> Volume:
    return {"name": name, "secret": {"secret": secret, "items": items}}


def _put(place: dict[str, Any], key: str, values: list[Any]) -> None:
    if values:
        place[key] = values
    else:
        place.pop(key, None)
