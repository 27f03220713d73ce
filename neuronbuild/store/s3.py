"""Objects in a bucket of S3, or of any server that speaks it. The one door to boto3, opened for `s3://` locations only.

Every upload carries its SHA-256, which the server compares with what arrived. Downloads are checked against the pieces that
a manifest names as they arrive: no S3 library notices a damaged range.
"""

from __future__ import annotations

import contextlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, final

from neuronbuild.digest import digest_stream
from neuronbuild.errors import BlobMissingError, DestinationError, StoreError
from neuronbuild.store.objects import ANY, LIMIT, Entry, ObjectStore, Version
from neuronbuild.store.retry import Patience
from neuronbuild.store.s3_bucket import Bucket, is_same_version, server_tag
from neuronbuild.store.s3_conditions import Conditions, write_unconditionally
from neuronbuild.store.s3_download import Downloads
from neuronbuild.store.s3_upload import Uploads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neuronbuild.digest import Digest, Pieces
    from neuronbuild.store.link import LinkMode
    from neuronbuild.store.s3_location import S3Location

logger = logging.getLogger(__name__)

FRESH = 6 * 3600.0
"""Noting a use is a request, and S3's own rules for old objects count in days."""

WORKERS = max(4, min(8, 2 * (os.cpu_count() or 1)))
"""Two to a processor: one hashes while the other waits for its line. More of them only wait for each other's writes."""


@final
class S3Objects(ObjectStore):
    """One prefix of one bucket."""

    def __init__(self, where: S3Location, patience: Patience | None = None) -> None:
        self.location = where.text
        self.fresh = FRESH
        self._bucket = Bucket(where, patience or Patience(unknown=min(2.0, where.timeout)))
        self.refused = self._bucket.refused
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="s3")
        self._uploads = Uploads(self._bucket, pool)
        self._downloads = Downloads(self._bucket, pool)
        self._conditions = Conditions(self._bucket)

    def look(self, name: str) -> Version | None:
        """GET, the start of it if it is large."""
        return self._bucket.get(name, LIMIT + 1)

    def write(self, name: str, data: bytes, expected: str | None = ANY) -> str | None:
        """PUT, under `If-None-Match` or `If-Match` where the server heeds them."""
        if expected == ANY:
            return self._bucket.put(name, data, {})
        if not self.honours_conditions():
            return write_unconditionally(self._bucket, name, data, expected)
        tag = self._bucket.put(name, data, {"IfNoneMatch": "*"} if expected is None else {"IfMatch": server_tag(expected)})
        if tag is not None:
            return tag
        found = self.look(name)
        if found is None and name in self.refused:  # archived, for one: it counts as missing, and is replaced
            return self._bucket.put(name, data, {})
        # an answer that got lost, and a second try, look like this too
        return found.tag if found is not None and found.data == data and found.tag != expected else None

    def add_file(self, name: str, source: Path, pieces: Pieces | None = None) -> None:
        """One PUT, or a multipart upload, in parallel; each part with its SHA-256."""
        try:
            self._uploads.upload(name, source, pieces)
        except OSError as error:
            raise StoreError(self.location, f"{source} can't be read: {error.strerror}") from None

    def read_to(
        self,
        name: str,
        destination: Path,
        mode: LinkMode = "copy",  # noqa: ARG002 (nothing to link to)
        pieces: Pieces | None = None,
    ) -> str | None:
        """GET in ranges, in parallel, each written in its place and checked against its pieces."""
        try:
            found = self._downloads.download(name, destination, pieces)
        except OSError as error:
            raise DestinationError(self.location, str(destination), error) from None
        return "copy" if found else None

    def stat(self, name: str) -> Entry | None:
        """HEAD."""
        return self._bucket.head(name)

    def list(self, prefix: str) -> Iterator[Entry]:
        """ListObjectsV2, or what the server knows instead: a thousand a request."""
        return self._bucket.list(prefix)

    def delete(self, name: str, expected: str = ANY) -> bool:
        """DELETE, under `If-Match` where the server heeds it."""
        if expected == ANY:
            return self._bucket.delete(name, {})
        found = self.look(name)
        if found is None:
            return True
        if self.honours_conditions():
            return found.tag == expected and self._bucket.delete(name, {"IfMatch": server_tag(expected)})
        return is_same_version(found.tag, expected) and self._bucket.delete(name, {})

    def move(self, name: str, target: str) -> None:
        """Copy over there, then delete."""
        if self._bucket.copy(name, target):
            self.delete(name)

    def touch(self, name: str) -> bool:
        """Copy onto itself, which sets the date; a store that may only be read stays as it is."""
        with contextlib.suppress(StoreError):
            self._bucket.copy(name, name)
        return True

    def digest(self, name: str) -> Digest | None:
        """GET as a stream."""
        stream = self._downloads.stream(name)
        with contextlib.suppress(BlobMissingError):  # it went meanwhile, or isn't handed out
            return None if stream is None else digest_stream(stream)
        return None

    def sweep(self, before: float, *, dry_run: bool = False) -> int:
        """End multipart uploads that were begun before then: of a push that was killed, nobody else does."""
        return self._uploads.end_old(before, dry_run=dry_run)

    def honours_conditions(self) -> bool:
        """Whether the server heeds conditional headers."""
        return self._conditions.are_heeded()
