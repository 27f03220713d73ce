"""Which releases are just what would be written now: whole, and where keys are trusted, made from what is signed.

A forged release has an index that fits it. So where keys are trusted, an index that none of them signed is compared with the
one that the signed manifests and the model's digests come to.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, final

from neuronbuild.artifact.codec import encode, unseal
from neuronbuild.errors import NeuronBuildError
from neuronbuild.files import check_names
from neuronbuild.intact import NOT_READ, IntactReleases
from neuronbuild.store.trust import RELEASE, seal_of, signers_of

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.release.request import ReleaseRequest
    from neuronbuild.store.base import ArtifactStore


@final
class VerifiedReleases:
    """Remembers folders in a file (`None`: in this process only), and knows the store that releases are made from."""

    def __init__(self, file: Path | None, store: ArtifactStore | None = None) -> None:
        self._intact = IntactReleases(file)
        self._store = store

    def holds(self, folder: Path, index: dict[str, Any]) -> bool:
        """Whether a folder holds what its index lists.

        Raises:
            OSError: a file is missing or can't be read.
            ValueError, KeyError, TypeError: that is no index.
        """
        files = [(file["path"], file["sha256"], file["size"]) for file in index["files"]]
        check_names(path for path, _, _ in files)
        return self._intact.first_altered(folder, files, lambda: unseal(index)) is None

    def is_vouched_for(self, request: ReleaseRequest, data: bytes) -> bool:
        """Whether nothing is wanting of a release that holds what its index lists, whose bytes are given.

        Where this machine signs, the index must be signed. Where keys are trusted, the folder must hold nothing else, and the
        index must be signed, by this machine's own key if it has one, or be what is expected: a signed release stays when an
        artifact is compiled anew, since that changes no more than its record.
        """
        if self._store is None:
            return True
        trust = self._store.trust
        if trust.signs_releases and not signers_of(data, among=(*trust.keys, trust.own), kind=RELEASE):
            return False
        try:
            return not trust.keys or self._is_trusted(request, data, self._store)
        except NeuronBuildError:  # something is missing: writing the release says what
            return False

    @staticmethod
    def _is_trusted(request: ReleaseRequest, data: bytes, store: ArtifactStore) -> bool:
        from neuronbuild.release.expected import expected_index  # what writes releases: a quarter of a plan's time
        from neuronbuild.release.folder import foreign_file

        if foreign_file(request.folder, NOT_READ) is not None:
            return False
        trust = store.trust
        if signers_of(data, among=[key for key in trust.keys if not trust.signs_releases or key == trust.own], kind=RELEASE):
            return True
        present = {file["path"]: file["sha256"] for file in json.loads(data)["files"]}
        return seal_of(data) == seal_of(encode(expected_index(request, store, present)))
