"""What a release comes to, without writing it: the same artifacts and snapshot give the same index."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, final

from neuronbuild.digest import digest_bytes
from neuronbuild.errors import ReleaseError
from neuronbuild.release.folder import Files, compose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.artifact.release_index import ReleaseIndex
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.digest import Digest
    from neuronbuild.release.request import ReleaseRequest
    from neuronbuild.store.base import ArtifactReader, ArtifactStore


def expected_index(request: ReleaseRequest, store: ArtifactStore, present: Mapping[str, str]) -> ReleaseIndex:
    """The index of the release that would be written now. Reads no blob, and no file of the model that the folder has.

    `present` are the SHA-256 of the folder's files, by path.

    Raises:
        ReleaseError: that takes a conversion or a check which the store hasn't got.
        StoreError, SourceError: an artifact or a file of the model is missing.
    """

    def open_file(name: str) -> Path:
        is_here = present.get(name) == request.model.snapshot.files[name].sha256
        return request.folder / name if is_here else request.model.open_file(name)

    model = replace(request.model, open_file=open_file)
    return compose(replace(request, model=model), store, _no_job, _Listing(request.folder))


def _no_job(
    job: dict[str, object],
    model: Model,  # noqa: ARG001 (as every job)
    keep: Callable[[Path, Mapping[str, object], float], Manifest],  # noqa: ARG001
) -> Manifest:
    raise ReleaseError(str(job["kind"]), "it has to be done first")


@final
class _Listing(Files):
    """Files that are only listed."""

    def put(self, path: str, data: bytes) -> None:
        """Its digest."""
        self.digests[path] = digest_bytes(data)

    def put_model_file(self, path: str, name: str, model: Model) -> None:
        """Its digest."""
        self.digests[path] = model.snapshot.files[name]

    def link_model_file(self, path: str, digest: Digest, request: ReleaseRequest) -> None:  # noqa: ARG002
        """Its digest."""
        self.digests[path] = digest

    def put_blob(self, path: str, digest: Digest, store: ArtifactReader, request: ReleaseRequest) -> None:  # noqa: ARG002
        """Its digest."""
        self.digests[path] = digest

    def take_back(self, path: str) -> None:
        """Forget it."""
        self.digests.pop(path, None)
