"""Conditional writes (`If-None-Match`, `If-Match`): whether a server heeds them, and what stands in for them elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import uuid
from typing import TYPE_CHECKING, final

from neuronbuild.errors import StoreError
from neuronbuild.store.names import probe_name
from neuronbuild.store.objects.backend import ConditionRefusedError
from neuronbuild.store.objects.base import LIMIT
from neuronbuild.store.objects.pages import first_words

if TYPE_CHECKING:
    from neuronbuild.store.objects.backend import Backend
    from neuronbuild.store.objects.base import Version

logger = logging.getLogger(__name__)

NO_TAG = '"0123456789abcdef0123456789abcdef"'
"""The tag of no object."""

DIGEST = 64
"""Characters of a SHA-256 in hexadecimal, the end of every tag."""


@final
class Conditions:
    """What one server makes of conditions: some refuse them, some ignore them. Found out once, by trying.

    A server that doesn't heed them is used all the same: blobs are named by what is in them, and a manifest that replaces
    another of its action is as good as that. But no lease is exclusive there.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._heeded: bool | None = None
        self._has_tags = True
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
                        self._backend.location,
                    )
            return self._heeded

    def tag(self, said: str, data: bytes) -> str:
        """The tag of a version: the server's, where it has any that mean something, and the bytes' digest.

        A tag may be given out before it is known what the server's own are worth; by the digest, it stays valid.
        """
        return (said if self._has_tags else "") + hashlib.sha256(data).hexdigest()

    def put(self, name: str, data: bytes, expected: str | None) -> str | None:
        """Put an object under a condition on the server's own tag, and give the tag of its version."""
        tag = self._backend.put(name, data, expected)
        return None if tag is None else self.tag(tag, data)

    def tagged(self, found: Version | None) -> Version | None:
        """A version as the server has it, with such a tag."""
        return None if found is None else found._replace(tag=self.tag(found.tag, found.data))

    def _try(self) -> bool:
        name = probe_name(uuid.uuid4().hex)
        tag = self._backend.put(name, b"1")
        found = self._backend.get(name, LIMIT)
        if found is None or found.data != b"1":
            why = self._backend.refused.get(name) or (
                "it isn't there" if found is None else f"what is there begins: {first_words(found.data)}"
            )
            raise StoreError(
                self._backend.location, f"an object that was just put there can't be read ({why})", hint=self._backend.rights
            )
        self._has_tags = found.tag == tag and bool(found.tag)
        try:
            fails = [self._backend.put(name, b"2", each) is None for each in (None, NO_TAG)]
        except ConditionRefusedError:
            fails = [False]
        with contextlib.suppress(StoreError):  # who may put may not always remove
            self._backend.delete(name)
        return self._has_tags and all(fails)


def server_tag(tag: str) -> str:
    """The server's part of a version's tag; empty if it gave none."""
    return tag[:-DIGEST]


def is_same_version(tag: str | None, other: str | None) -> bool:
    """Whether two tags stand for the same bytes, where the server's own parts can't be compared."""
    return tag == other if tag is None or other is None else tag[-DIGEST:] == other[-DIGEST:]
