"""What each manifest names, remembered on this machine, so that knowing thousands of actions reads no manifest.

A convenience and never the truth: entries hold for one writing of a manifest, and a lost or damaged file is made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from neuronbuild.digest import Digest
from neuronbuild.memo import Memo

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.digest import ActionKey

Files = list[tuple[str, Digest]]


@final
class ManifestIndex:
    """Files by action key, in one JSON file; `None` keeps them in this process only."""

    def __init__(self, file: Path | None) -> None:
        self._memo = Memo(file, _is_entry)

    def get(self, key: ActionKey, stamp: str) -> Files | None:
        """The files that an action's manifest names, if it is still the manifest that was remembered."""
        entry = self._memo.get(key)
        if entry is None or entry[0] != stamp:
            return None
        return [(path, Digest(sha256, size)) for path, sha256, size in entry[1]]  # type: ignore[attr-defined]  # JSON of ours

    def put(self, key: ActionKey, stamp: str, files: Files) -> None:
        """Remember."""
        self._memo.put(key, [stamp, [[path, digest.sha256, digest.size] for path, digest in files]])

    def drop(self, key: ActionKey) -> None:
        """Forget an action whose manifest turned out to be damaged under an unchanged stamp."""
        self._memo.drop(key)

    def save(self) -> None:
        """Write what is new. A folder that can't be written only costs speed."""
        self._memo.save()


def _is_entry(entry: object) -> bool:
    """A stamp, and files of path, SHA-256 and size."""
    if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):  # noqa: PLR2004 (those two)
        return False
    try:
        return all(isinstance(path, str) and bool(Digest(sha256, size)) for path, sha256, size in entry[1])
    except (TypeError, ValueError):
        return False
