"""Reading from a store in layers: the local store decides what is whole, and is filled from the remote ones.

A damaged blob of the local store is put in quarantine there, and fetched again. Whatever leaves comes from the local store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.errors import DamageError
from neuronbuild.store.base import ArtifactReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.digest import ActionKey, Digest
    from neuronbuild.store.cas import CasStore
    from neuronbuild.store.link import LinkMode
    from neuronbuild.store.remote_store import RemoteStore


class LayeredReader(ArtifactReader):
    """A local store over remote ones, asked in their order."""

    def __init__(self, near: CasStore, fars: Sequence[RemoteStore]) -> None:
        self.near = near
        self.fars = tuple(fars)
        self.location = near.location
        self.objects = near.objects
        self.trust = near.trust
        self.used = near.used

    def lookup(self, key: ActionKey) -> Manifest | None:
        """Near if it is whole there, else from the first far store that has it."""
        manifest = self.near.lookup(key)
        if manifest is not None and self.near.missing(manifest) is None:
            return manifest
        return self.near.lookup(key) if any(far.pull(self.near, key) for far in self.fars) else manifest

    def missing(self, manifest: Manifest) -> str | None:
        """What the near store says: looking it up has filled it."""
        return self.near.missing(manifest)

    def known(self, keys: Collection[ActionKey]) -> dict[ActionKey, str | None]:
        """Near; what isn't whole there, far."""
        known = self.near.known(keys)
        for far in self.fars:
            missing = [key for key in keys if known.get(key, "") is not None]
            if missing:
                known |= far.known(missing)
        return known

    def fetch(self, digest: Digest, destination: Path, mode: LinkMode = "copy") -> str:
        """Near; what is missing or damaged there is fetched again first."""
        try:
            return self.near.fetch(digest, destination, mode)
        except DamageError:
            if not any(far.pull_blob(self.near, digest) for far in self.fars):
                raise
        return self.near.fetch(digest, destination, mode)

    def read_blob(self, digest: Digest) -> bytes | None:
        """Near, else far."""
        found = self.near.read_blob(digest)
        for far in self.fars:
            found = far.ask(lambda store: store.read_blob(digest), None) if found is None else found
        return found

    def manifests(self) -> Iterator[Manifest]:
        """Those of the near store."""
        return self.near.manifests()

    def recorded_keys(self) -> list[ActionKey]:
        """Those of the near store."""
        return self.near.recorded_keys()

    def inspect(self, key: ActionKey) -> Manifest | str:
        """Near."""
        return self.near.inspect(key)
