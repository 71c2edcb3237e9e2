"""Volumes and secrets as files: what the flags make of a template, as gcloud's flags do."""

from typing import Any

import pytest

from jubako.cli.errors import UsageError
from jubako.cli.parsing import Parser
from jubako.cli.secret_flags import add_secret_flags
from jubako.cli.volume_flags import add_volume_flags, edit_volumes


def after(*flags: str, before: tuple[dict[str, Any], dict[str, Any]] | None = None) -> tuple[Any, Any]:
    """Return volumes and mounts by name and path."""
    parser = Parser(prog="x")
    add_secret_flags(parser)
    add_volume_flags(parser)
    template, container = before or ({}, {})
    edit_volumes(template, container, parser.parse_args(flags))
    volumes = {volume.pop("name"): volume for volume in template.get("volumes", [])}
    return volumes, {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", [])}


def secret(name: str, **items: str) -> dict[str, Any]:
    return {
        "secret": {"secret": name, "items": [{"path": path, "version": at} for path, at in items.items()]}
    }


def before() -> tuple[dict[str, Any], dict[str, Any]]:
    volumes = [
        {"name": "key", **secret("key", a="1", b="2")},
        {"name": "scratch", "emptyDir": {"medium": "MEMORY"}},
    ]
    mounts = [{"name": "key", "mountPath": "/keys"}, {"name": "scratch", "mountPath": "/tmp/x/"}]
    return {"volumes": volumes}, {"volumeMounts": mounts}


def test_files_of_a_secret_share_a_volume_at_their_directory() -> None:
    volumes, mounts = after("--set-secrets", "/keys/a=key:1,/keys/b=key:latest,/other/a=key:3,NAME=key:1")
    assert volumes == {"key": secret("key", a="1", b="latest"), "key-2": secret("key", a="3")}
    assert mounts == {"/keys": "key", "/other": "key-2"}


def test_a_directory_has_one_secret() -> None:
    with pytest.raises(UsageError, match="a directory has one secret"):
        after("--set-secrets", "/keys/a=one:1,/keys/b=two:1")


def test_updating_keeps_and_setting_and_clearing_replace_secrets_and_leave_other_volumes() -> None:
    scratch = {"emptyDir": {"medium": "MEMORY"}}
    volumes, mounts = after("--update-secrets", "/keys/b=key:5", before=before())
    assert volumes == {"key": secret("key", a="1", b="5"), "scratch": scratch}
    assert mounts == {"/keys": "key", "/tmp/x": "scratch"}
    assert after("--set-secrets", "/keys/c=other:1", before=before()) == (
        {"scratch": scratch, "other": secret("other", c="1")},
        {"/tmp/x": "scratch", "/keys": "other"},
    )
    assert after("--clear-secrets", before=before()) == ({"scratch": scratch}, {"/tmp/x": "scratch"})


def test_a_file_is_removed_and_the_last_one_takes_its_volume_along() -> None:
    volumes, _ = after("--remove-secrets", "/keys/a", before=before())
    assert volumes["key"] == secret("key", b="2")
    volumes, mounts = after("--remove-secrets", "/keys/a,/keys/b,/nowhere/c", before=before())
    assert (set(volumes), set(mounts)) == ({"scratch"}, {"/tmp/x"})


def test_volumes_are_added_and_mounted_and_taken_away() -> None:
    volumes, mounts = after(
        "--add-volume",
        "name=s,type=in-memory,size-limit=1Mi",
        "--add-volume",
        "name=k,type=secret,secret=key,version=1,path=a",
        "--add-volume-mount",
        "volume=s,mount-path=/s",
        "--add-volume-mount=volume=k,mount-path=/k",
    )
    assert volumes == {"s": {"emptyDir": {"medium": "MEMORY", "sizeLimit": "1Mi"}}, "k": secret("key", a="1")}
    assert mounts == {"/s": "s", "/k": "k"}
    assert set(after("--remove-volume", "scratch", before=before())[0]) == {"key"}
    assert after("--clear-volumes", before=before()) == ({}, {})
    assert after("--clear-volume-mounts", before=before())[1] == {}
    assert after("--remove-volume-mount", "/tmp/x", before=before())[1] == {"/keys": "key"}


@pytest.mark.parametrize(
    "flags",
    [
        ("--add-volume", "name=s"),
        ("--add-volume", "type=in-memory"),
        ("--add-volume", "name=s,type=nfs,location=h:/p"),
        ("--add-volume", "name=s,type=in-memory,size=1Mi"),
        ("--add-volume", "name=s,type=secret,secret=key"),
        ("--add-volume-mount", "volume=s"),
        ("--set-secrets", "/keys/a=key"),
    ],
)
def test_what_cannot_be_is_refused(flags: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        after(*flags)
