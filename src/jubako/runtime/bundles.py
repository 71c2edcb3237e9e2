"""Bundles: what the name of an image means on a machine without a container engine.

A bundle is a directory with a program, its command and its environment. It is kept under the digest of its source, and
known by names such as ``hello:latest``, so that what runs is what was built, whatever is built under the name later.

``DIGEST/bundle.json`` is written last: without it a directory is a build that died. ``names/NAME`` holds a digest.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

LATEST = "latest"
_NAME = re.compile(r"[a-z0-9][a-z0-9._/-]{0,127}(?::[0-9]+/[a-z0-9._/-]{1,127})?\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class Manifest(msgspec.Struct, rename="camel", omit_defaults=True):
    """What ``bundle.json`` says."""

    command: list[str]
    has_venv: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """One bundle, ready to run."""

    digest: str
    command: tuple[str, ...]
    directory: Path
    """Where it runs."""
    venv: Path | None
    """Its own Python environment."""

    def variables(self, path: str) -> Mapping[str, str]:
        """Return what it adds to an environment whose PATH is ``path``."""
        if self.venv is None:
            return {}
        return {"PATH": f"{self.venv / 'bin'}:{path}".rstrip(":"), "VIRTUAL_ENV": str(self.venv)}


class Bundles:
    """The bundles of one state directory."""

    def __init__(self, root: Path = Path("/nonexistent")) -> None:
        """Without ``root`` there are none."""
        self.root = root

    def place(self, digest: str) -> Path:
        """Return the directory of a digest, whether or not something is there."""
        return self.root / digest.partition(":")[2]

    def pinned(self, image: str) -> str | None:
        """Return ``NAME@DIGEST`` for what an image names now; None if no bundle has that name."""
        name, _, digest = image.partition("@")
        if not digest:
            digest = self._digest(image) or ""
        return f"{name}@{digest}" if self.get(digest) is not None else None

    def find(self, image: str) -> Bundle | None:
        """Return the bundle that an image, pinned or not, names now."""
        pinned = self.pinned(image)
        return None if pinned is None else self.get(pinned.partition("@")[2])

    def get(self, digest: str) -> Bundle | None:
        """Return the bundle of a digest, if it was built to its end."""
        if not _DIGEST.match(digest):
            return None
        place = self.place(digest)
        try:
            manifest = msgspec.json.decode((place / "bundle.json").read_bytes(), type=Manifest)
        except (OSError, msgspec.MsgspecError):
            return None
        venv = place / "venv" if manifest.has_venv else None
        return Bundle(digest, tuple(manifest.command), place / "app", venv)

    def finish(self, digest: str, manifest: Manifest) -> None:
        """Make a directory that is complete a bundle."""
        draft = self.place(digest) / "bundle.json.new"
        draft.write_bytes(msgspec.json.encode(manifest))
        draft.replace(self.place(digest) / "bundle.json")

    def can_be_called(self, image: str) -> bool:
        """Return whether this can be a bundle's name: ``hello``, ``hello:v1``, ``gcr.io/project/hello``."""
        return self._name_file(image) is not None

    def name(self, image: str, digest: str) -> None:
        """Have an image's name, which can be one, mean this bundle from now on."""
        file = self._name_file(image)
        assert file is not None, image
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.new")
        draft.write_text(digest, "ascii")
        draft.replace(file)

    def digests(self) -> list[str]:
        """Return all that were built to their end."""
        return [f"sha256:{file.parent.name}" for file in sorted(self.root.glob("*/bundle.json"))]

    def names(self) -> dict[str, str]:
        """Return the digest by name, such as ``hello:latest``."""
        files = [file for file in (self.root / "names").glob("*") if not file.name.endswith(".new")]
        return {unquote(file.name): self._digest(unquote(file.name)) or "" for file in files}

    def full_name(self, image: str) -> str:
        """Return a name with its tag."""
        file = self._name_file(image)
        return image if file is None else unquote(file.name)

    def withdraw(self, digest: str) -> dict[str, str]:
        """Make a bundle invisible, and return what names meant until then."""
        names = self.names()
        place = self.place(digest)
        (place / "bundle.json").replace(place / "bundle.json.gone")
        return names

    def restore(self, digest: str) -> None:
        """Make it visible again."""
        place = self.place(digest)
        (place / "bundle.json.gone").replace(place / "bundle.json")

    def remove(self, digest: str) -> None:
        """Remove a bundle that was withdrawn, with its names."""
        for name, meant in self.names().items():
            file = self._name_file(name)
            if meant == digest and file is not None:
                file.unlink(missing_ok=True)
        shutil.rmtree(self.place(digest), ignore_errors=True)

    def _digest(self, image: str) -> str | None:
        file = self._name_file(image)
        try:
            return None if file is None else file.read_text("ascii").strip()
        except OSError:
            return None

    def _name_file(self, image: str) -> Path | None:
        """Return where a name is kept; None if it is none."""
        stem, colon, tag = image.rpartition(":")
        name, tag = (stem, tag) if colon and "/" not in tag else (image, LATEST)
        if not _NAME.match(name) or not _TAG.match(tag):
            return None
        return self.root / "names" / quote(f"{name}:{tag}", safe="")
