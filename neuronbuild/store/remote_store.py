"""A far store as the layered one sees it: it may be read-only, it may be away, and no build fails for that."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, final

from neuronbuild.artifact.manifest import Manifest
from neuronbuild.counts import counted
from neuronbuild.errors import BlobMissingError, DamageError, DestinationError, StoreError, StoreOutageError
from neuronbuild.store.cas_reader import FEW, recorded, understand
from neuronbuild.store.names import action_name
from neuronbuild.store.transfer import copy_artifact, copy_blob

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from neuronbuild.digest import ActionKey, Digest
    from neuronbuild.store.cas import CasStore

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

AT_A_TIME = 4
"""Uploads at a time: each of a large file has four requests under way itself."""

NOWHERE = "it isn't there"

READS_AT_A_TIME = 8
"""Records that are read at a time, to see who signed them."""


@final
class RemoteStore:
    """One far store, with what is on its way there. Warns once of what doesn't work.

    `strict`: a store that refuses to be read is an error, where it would otherwise be left out.
    """

    def __init__(self, store: CasStore, *, read_only: bool = False, strict: bool = False) -> None:
        self.store = store
        self.read_only = store.read_only = read_only
        self.unusable: dict[ActionKey, str] = {}
        self._strict = strict
        self._refused = False
        self._refuses_writes = False
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="upload")
        self._uploads: dict[ActionKey, Future[int]] = {}

    def ask(self, question: Callable[[CasStore], Answer], otherwise: Answer, *, writes: bool = False) -> Answer:
        """What the store says to a question, or something else if it can't be asked.

        One that has refused a question for good (no such bucket, no right to it) isn't asked again; one that refuses what
        `writes` is still read.

        Raises:
            StoreError: it is this machine's trouble; or the store may not be read, and is strict.
        """
        if self._refused or (writes and self._refuses_writes):
            return otherwise
        try:
            return question(self.store)
        except StoreError as error:
            if error.location != self.store.location or isinstance(error, DestinationError):  # this machine's trouble
                raise
            if not isinstance(error, StoreOutageError | DamageError):
                if self._strict and not writes:
                    raise
                self._refused, self._refuses_writes = not writes, True
            self.warn(error, "nothing is sent there" if writes else "going on without it")
            return otherwise

    def known(self, keys: Collection[ActionKey]) -> dict[ActionKey, str | None]:
        """For each key that has a record: `None`, or why it is of no use. Blobs went there before records."""
        nothing: dict[ActionKey, str | None] = {}
        found = self.ask(lambda store: _standing(store, keys), nothing)
        self.unusable |= {key: why for key, why in found.items() if why is not None}
        return {key: self.unusable.get(key) for key in found}

    def pull(self, near: CasStore, key: ActionKey) -> bool:
        """Have a near store get an artifact, and say whether it did."""
        if key in self.unusable or self.known([key]).get(key, NOWHERE) is not None:
            return False

        def copy(store: CasStore) -> bool:
            try:
                copy_artifact(store, near, key)
            except DamageError as error:
                self.unusable[key] = error.problem
                raise
            return True

        return self.ask(copy, otherwise=False)

    def pull_blob(self, near: CasStore, digest: Digest) -> bool:
        """Have a near store get one blob, and say whether it did."""

        def copy(store: CasStore) -> bool:
            try:
                copy_blob(store, near, digest, None)
            except BlobMissingError:
                return False
            return True

        return self.ask(copy, otherwise=False)

    def warn(self, error: StoreError, outcome: str) -> None:
        """Tell what is wrong and what comes of it, once."""
        with self._lock:
            if error.problem in self._warned:
                return
            self._warned.add(error.problem)
        hint = f" ({error.hint})" if error.hint else ""
        logger.warning("far store %s: %s%s; %s", self.store.location, error.problem, hint, outcome)

    def upload(self, key: ActionKey, work: Callable[[CasStore], int], then: Callable[[], None]) -> None:
        """Have an artifact sent in the background, and something done after that, whatever came of it."""
        with self._lock:
            upload = self._uploads[key] = self._pool.submit(work, self.store)
        upload.add_done_callback(lambda _: then())

    def is_uploading(self, key: ActionKey) -> bool:
        """Whether an artifact is on its way."""
        return key in self._uploads and not self._uploads[key].done()

    def call_off(self) -> None:
        """Begin no upload any more that hasn't begun."""
        with self._lock:
            uploads = list(self._uploads.values())
        for upload in uploads:
            upload.cancel()

    def finish(self) -> list[str]:
        """Wait for what is on its way, and give a line for each thing worth telling."""
        with self._lock:
            uploads, self._uploads = self._uploads, {}
        moved, failed = 0, list[StoreError]()
        for upload in uploads.values():
            try:
                moved += upload.result()
            except CancelledError:
                failed.append(StoreError(self.store.location, "the build ended before"))
            except StoreError as error:
                failed.append(error)
        self._pool.shutdown()
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="upload")
        lines = []
        if len(uploads) > len(failed):
            lines.append(f"{len(uploads) - len(failed)} shared with {self.store.location} ({counted(moved, 'byte')})")
        if failed:
            hint = f" ({failed[0].hint})" if failed[0].hint else ""
            lines.append(
                f"warning: {len(failed)} not shared with {self.store.location}: {failed[0].problem}{hint}; "
                "`neuronbuild cache push` sends what it lacks"
            )
        return lines


def _standing(store: CasStore, keys: Collection[ActionKey]) -> dict[ActionKey, str | None]:
    """Which keys have a record, and why one can't be used. Many are known by their names alone, unless keys are trusted."""
    if len(keys) > FEW and not store.trust.keys:
        return dict.fromkeys(recorded(store, keys))

    def look(key: ActionKey) -> tuple[ActionKey, str | None] | None:
        data = store.objects.read(action_name(key))
        manifest = None if data is None else understand(store, key, data)
        return None if manifest is None else (key, None if isinstance(manifest, Manifest) else manifest)

    listed = keys if len(keys) <= FEW else recorded(store, keys)
    with ThreadPoolExecutor(READS_AT_A_TIME, thread_name_prefix="records") as pool:
        return dict(filter(None, pool.map(look, listed)))
