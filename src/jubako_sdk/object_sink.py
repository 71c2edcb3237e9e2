"""A sink in a bucket of Cloud Storage: ``gs://BUCKET/PREFIX``.

1. An object appears whole when its upload ends; an upload that breaks off leaves nothing. The bucket sees to that.
2. ``if_absent`` is an upload for generation 0: of several that race the bucket takes one and answers the others with
   412. Source: Cloud Storage, "Request preconditions".
3. The answer to an upload may be lost and the upload repeated. Each call of ``put`` marks the object it makes, so it
   knows its own when 412 comes then.
"""

import base64
import hashlib
import re
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from jubako_sdk.sink import NAME_BYTES_MAX, ObjectNotFound, SinkError, check_name
from jubako_sdk.storage_api import StorageApi, Upload, from_environment

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
"""Cloud Storage, "Bucket name requirements"."""
_IN_MEMORY_BYTES = 1 << 20
"""What a writer is given beyond this waits in a temporary file."""
_MARK = "jubako-upload"
"""The object's metadata under this name tells which call made it."""
_NOT_FOUND = frozenset({404})
_EXISTS = frozenset({412})


class ObjectWriter:
    """See ``jubako_sdk.sink.Writer``."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.file = file
        self.name = name
        self.published = False


class ObjectSink:
    """See ``jubako_sdk.sink.Sink``."""

    def __init__(self, uri: str, api: StorageApi | None = None) -> None:
        """Take the place, and the way to reach it: by the environment if None.

        Raises:
            SinkError: ``uri`` is not ``gs://BUCKET`` or ``gs://BUCKET/PREFIX``.

        """
        bucket, _, prefix = uri.removeprefix("gs://").partition("/")
        prefix = prefix.removesuffix("/")
        if not uri.startswith("gs://") or not _BUCKET.fullmatch(bucket):
            raise SinkError(f"{uri!a}: {bucket!a} cannot be the name of a bucket.")
        self._prefix = f"{check_name(prefix)}/" if prefix else ""
        self._api = api or from_environment()
        self._path = f"b/{bucket}/o"
        self._copies: Path | None = None
        self.uri = f"gs://{bucket}/{prefix}" if prefix else f"gs://{bucket}"

    def put(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        """See ``Sink.put``."""
        return self._upload(name, BytesIO(data), if_absent=if_absent)

    @contextmanager
    def writer(self, name: str, *, if_absent: bool = False) -> Iterator[ObjectWriter]:
        """See ``Sink.writer``."""
        self._full(name)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
            writer = ObjectWriter(file, name)
            yield writer
            writer.published = self._upload(writer.name, file, if_absent=if_absent)

    def get(self, name: str) -> bytes:
        """See ``Sink.get``."""
        data = BytesIO()
        self._download(name, data)
        return data.getvalue()

    def holds(self, name: str, data: bytes) -> bool:
        """See ``Sink.holds``."""
        said = self._metadata(name, "md5Hash,size")
        if int(said["size"]) != len(data):
            return False
        if "md5Hash" not in said:  # objects that were composed have none
            return self.get(name) == data
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        return base64.b64encode(digest).decode() == str(said["md5Hash"])

    def local_path(self, name: str) -> str:
        """See ``Sink.local_path``; a copy of the generation that is there now, which goes with this sink."""
        generation = self._metadata(name, "generation")["generation"]
        if self._copies is None:
            self._copies = Path(tempfile.mkdtemp(prefix="jubako-objects-"))
            weakref.finalize(self, shutil.rmtree, self._copies, ignore_errors=True)
        place = hashlib.sha256(f"{generation}/{name}".encode()).hexdigest()
        path = self._copies / place / Path(name).name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._copies, delete=False) as file:
                self._download(name, file, {"generation": generation})
            Path(file.name).replace(path)
        return str(path)

    def exists(self, name: str) -> bool:
        """See ``Sink.exists``."""
        try:
            self._metadata(name, "generation")
        except ObjectNotFound:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        """See ``Sink.list``."""
        for page in self._pages({"prefix": self._prefix + prefix, "fields": "items/name,nextPageToken"}):
            names = (item["name"] for item in page.get("items", []))
            # A name with a slash at its end stands for a folder made by hand; no sink writes such objects.
            yield from (name.removeprefix(self._prefix) for name in names if not name.endswith("/"))

    def folders(self, prefix: str) -> Iterator[str]:
        """See ``Sink.folders``."""
        start = self._prefix + prefix
        query = {"prefix": start, "delimiter": "/", "fields": "prefixes,nextPageToken"}
        for page in self._pages(query):
            yield from (name.removeprefix(start).removesuffix("/") for name in page.get("prefixes", []))

    def delete(self, name: str) -> bool:
        """See ``Sink.delete``; what is gone after an answer was lost counts as removed by this call."""
        answer = self._api.call("DELETE", self._object(name), {}, expected=_NOT_FOUND)
        return answer.status != 404 or answer.is_repeated

    def _full(self, name: str) -> str:
        full = self._prefix + check_name(name)
        if (size := len(full.encode())) > NAME_BYTES_MAX:
            raise SinkError(f"object name {full[:40]!r}... has {size} bytes; {NAME_BYTES_MAX} are allowed.")
        return full

    def _object(self, name: str) -> str:
        return f"storage/v1/{self._path}/{quote(self._full(name), safe='')}"

    def _upload(self, name: str, file: IO[bytes], *, if_absent: bool) -> bool:
        full, mark = self._full(name), secrets.token_hex(8)
        query = {"uploadType": "multipart", "name": full, "fields": "generation"}
        body = Upload(file, {"name": full, "metadata": {_MARK: mark}})
        expected: frozenset[int] = frozenset()
        if if_absent:
            query["ifGenerationMatch"] = "0"
            expected = _EXISTS
        answer = self._api.call(
            "POST", f"upload/storage/v1/{self._path}", query, body=body, expected=expected
        )
        if answer.status != 412:
            return True
        try:
            return (
                answer.is_repeated and self._metadata(name, "metadata").get("metadata", {}).get(_MARK) == mark
            )
        except ObjectNotFound:  # it was there, and has been removed meanwhile
            return False

    def _download(self, name: str, into: IO[bytes], query: dict[str, str] | None = None) -> None:
        asked = {"alt": "media", **(query or {})}
        if self._api.call("GET", self._object(name), asked, into=into, expected=_NOT_FOUND).status == 404:
            raise ObjectNotFound(f"there is no object {name!r} in {self.uri}.")

    def _metadata(self, name: str, fields: str) -> dict[str, Any]:
        answer = self._api.call("GET", self._object(name), {"fields": fields}, expected=_NOT_FOUND)
        if answer.status == 404:
            raise ObjectNotFound(f"there is no object {name!r} in {self.uri}.")
        return answer.json()

    def _pages(self, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._api.call(
                "GET", f"storage/v1/{self._path}", query | ({"pageToken": token} if token else {})
            ).json()
            yield page
            token = page.get("nextPageToken", "")
            if not token:
                return
