"""Volumes between v1 documents and v2 messages.

Source: Cloud Run Admin API v1, Volume; what gcloud 528 sends for ``--set-secrets`` and ``--add-volume``.
"""

from jubako.wire.codec import invalid
from jubako.wire.krm import Reader, present
from jubako.wire.method import Document
from jubako.wire.run_checks import cannot
from jubako.wire.run_types import EmptyDirVolumeSource, SecretVolumeSource, VersionToPath, Volume

_MEMORY = "Memory"
_REFUSED = ("csi", "nfs", "configMap")


def read_volumes(spec: Reader) -> list[Volume]:
    """Take the volumes out of the ``spec`` of a template.

    Raises:
        InvalidArgument: A field is wrong or unknown.
        Unimplemented: One cannot be honoured on this machine.

    """
    return [_read_volume(volume) for volume in spec.children("volumes")]


def volumes(given: list[Volume]) -> list[Document]:
    """Return the v1 form of volumes."""
    return [_volume(volume) for volume in given]


def _read_volume(reader: Reader) -> Volume:
    for kind in _REFUSED:
        if reader.has(kind):
            raise cannot(reader.where(kind), "a volume of this kind")
    volume = Volume(name=reader.text("name"))
    if reader.has("secret"):
        volume.secret = _read_secret(reader.child("secret"))
    else:  # which is what Kubernetes takes a volume for that does not say
        volume.empty_dir = _read_empty_dir(reader.child("emptyDir"))
    reader.skip("secret", "emptyDir", *_REFUSED)
    reader.done()
    return volume


def _read_secret(reader: Reader) -> SecretVolumeSource:
    source = SecretVolumeSource(
        secret=reader.text("secretName"),
        items=[_read_item(item) for item in reader.children("items")],
        default_mode=reader.integer("defaultMode") or 0,
    )
    reader.skip("optional")
    reader.done()
    return source


def _read_item(reader: Reader) -> VersionToPath:
    item = VersionToPath(
        path=reader.text("path"), version=reader.text("key"), mode=reader.integer("mode") or 0
    )
    reader.done()
    return item


def _read_empty_dir(reader: Reader) -> EmptyDirVolumeSource:
    medium, size = reader.text("medium"), reader.text("sizeLimit")
    if medium not in {"", _MEMORY}:
        raise invalid(reader.where("medium"), f"{medium[:100]!r} is not {_MEMORY!r}.")
    reader.done()
    mediums = EmptyDirVolumeSource.Medium
    return EmptyDirVolumeSource(
        medium=mediums.MEMORY if medium else mediums.MEDIUM_UNSPECIFIED, size_limit=size
    )


def _volume(given: Volume) -> Document:
    if given.secret is not None:
        items = [
            present({"key": item.version, "path": item.path, "mode": item.mode or None})
            for item in given.secret.items
        ]
        mode = given.secret.default_mode or None
        source = {"secretName": given.secret.secret, "items": items, "defaultMode": mode}
        return {"name": given.name, "secret": present(source)}
    if given.empty_dir is not None:
        medium = _MEMORY if given.empty_dir.medium else ""
        return {
            "name": given.name,
            "emptyDir": present({"medium": medium, "sizeLimit": given.empty_dir.size_limit}),
        }
    return {"name": given.name}
