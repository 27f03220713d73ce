"""Conditional writes (`If-None-Match`, `If-Match`): whether a server heeds them, and what stands in for them elsewhere."""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from typing import TYPE_CHECKING, final

from neuronbuild.errors import StoreError
from neuronbuild.store.names import probe_name
from neuronbuild.store.objects import LIMIT
from neuronbuild.store.s3_answers import ConditionRefusedError, first_words
from neuronbuild.store.s3_bucket import is_same_version, server_tag

if TYPE_CHECKING:
    from neuronbuild.store.s3_bucket import Bucket

logger = logging.getLogger(__name__)

NO_TAG = '"0123456789abcdef0123456789abcdef"'
"""The tag of no object."""


@final
class Conditions:
    """What one bucket's server makes of conditions: some refuse them, some ignore them. Found out once, by trying.

    A server that doesn't heed them is used all the same: blobs are named by what is in them, and a manifest that replaces
    another of its action is as good as that. But no lease is exclusive there.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._heeded: bool | None = None
        self._probing = threading.Lock()

    def are_heeded(self) -> bool:
        """Whether they are; if not, that is told once.

        Raises:
            StoreError: nothing can be put there, or it can't be read.
        """
        with self._probing:
            if self._heeded is None:
                self._heeded = self._try()
                if not self._heeded:
                    logger.warning(
                        "store %s doesn't heed conditional writes (If-None-Match, If-Match), so no lease is exclusive there: "
                        "two machines may now and then compile the same thing at once; what they store is right all the same",
                        self._bucket.location,
                    )
            return self._heeded

    def _try(self) -> bool:
        name = probe_name(uuid.uuid4().hex)
        tag = self._bucket.put(name, b"1", {})
        found = self._bucket.get(name, LIMIT)
        if found is None or found.data != b"1":
            hint = "check endpoint_url; the credentials need s3:GetObject as well as s3:PutObject"
            why = self._bucket.refused.get(name) or (
                "it isn't there" if found is None else f"what is there begins: {first_words(found.data)}"
            )
            raise StoreError(self._bucket.location, f"an object that was just put there can't be read ({why})", hint=hint)
        self._bucket.has_tags = found.tag == tag and bool(server_tag(found.tag))
        try:
            fails = [self._bucket.put(name, b"2", each) is None for each in ({"IfNoneMatch": "*"}, {"IfMatch": NO_TAG})]
        except ConditionRefusedError:
            fails = [False]
        with contextlib.suppress(StoreError):  # who may put may not always remove
            self._bucket.delete(name, {})
        return self._bucket.has_tags and all(fails)


def write_unconditionally(bucket: Bucket, name: str, data: bytes, expected: str | None) -> str | None:
    """Look before and after instead: of two who write at the same moment, the last one is told that it has."""
    before = bucket.get(name, LIMIT + 1)
    if not is_same_version(before.tag if before else None, expected):
        return None
    bucket.put(name, data, {})
    after = bucket.get(name, LIMIT + 1)
    return after.tag if after is not None and after.data == data else None
