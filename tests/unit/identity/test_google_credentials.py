"""Credentials for the real Google: which files are taken, and where they are."""

import json
from pathlib import Path

import pytest

from jubako.core.errors import InvalidArgument
from jubako.identity.google_credentials import credentials_file, read_credentials


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file"),
        ("{", "it is not JSON"),
        ("[]", "credentials of type None"),
        ('{"type": ["x"]}', r"credentials of type \['x'\]"),
        ('{"type": "external_account"}', "known are service_account and authorized_user"),
        ('{"type": "service_account", "client_email": "a"}', "lacks private_key"),
        ('{"type": "authorized_user", "client_id": 5}', "lacks client_id, client_secret, refresh_token"),
    ],
)
def test_a_file_that_cannot_work_is_refused_by_name(content: str | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidArgument, match=f"google-credentials: .*{told}"):
        read_credentials(file)


def test_a_key_and_a_user_are_taken(tmp_path: Path) -> None:
    for told in (
        {"type": "service_account", "client_email": "a", "private_key": "k"},
        {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"},
    ):
        (tmp_path / "f").write_text(json.dumps(told))
        assert read_credentials(tmp_path / "f") == told


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"GOOGLE_APPLICATION_CREDENTIALS": "/k.json", "HOME": "/h"}, "/k.json"),
        ({"CLOUDSDK_CONFIG": "/c", "HOME": "/h"}, "/c/application_default_credentials.json"),
        ({"HOME": "/h"}, "/h/.config/gcloud/application_default_credentials.json"),
    ],
)
def test_default_is_where_googles_libraries_look(environ: dict[str, str], path: str) -> None:
    assert credentials_file("default", environ) == Path(path)
    assert credentials_file("mine.json", environ) == Path("mine.json")
