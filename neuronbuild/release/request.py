"""What a release is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from neuronbuild.artifact.release_index import FILENAME
from neuronbuild.digest import digest_json
from neuronbuild.files import parse_json, read_plain
from neuronbuild.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from neuronbuild.artifact.manifest import Manifest
    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.digest import ActionKey
    from neuronbuild.store.link import LinkMode


class RunJob(Protocol):
    """Has a worker do a job over a model's files, and hands the folder, the result and the seconds taken to `keep`.

    Raises `ReleaseError` with the worker's message if the job fails.
    """

    def __call__(
        self, job: dict[str, object], model: Model, keep: Callable[[Path, Mapping[str, object], float], Manifest]
    ) -> Manifest:
        """Run it."""


class Verified(Protocol):
    """Knows which releases are whole, and which are made from what is trusted."""

    def holds(self, folder: Path, index: dict[str, Any]) -> bool:
        """Whether a folder holds what its index lists."""

    def is_vouched_for(self, request: ReleaseRequest, data: bytes) -> bool:
        """Whether an index that fits its folder is one to be trusted, and signed where it must be."""


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """One release folder to be: recipe and platform, a pinned model, and the actions whose artifacts are its buckets.

    `checked` says that this host can run them, and that they are compared with eager PyTorch. `loader` is the class that runs
    it, of another tool. `layout` is how it lies in the folder, where that isn't as usual.
    """

    recipe: str
    name: str
    platform: str
    task: str
    model: Model
    keys: tuple[ActionKey, ...]
    folder: Path
    toolchain: Mapping[str, object]
    dynamic_batch_size: bool = False
    link_mode: LinkMode = "auto"
    checked: bool = True
    loader: str = ""
    layout: str = ""

    @property
    def stamp(self) -> str:
        """Digest of everything that decides the folder's bytes."""
        document = {
            "tool": __version__,
            "name": self.name,
            "task": self.task,
            "platform": self.platform,
            "snapshot": self.model.snapshot.digest.sha256,
            "keys": list(self.keys),
            "dynamic_batch_size": self.dynamic_batch_size,
            **({"layout": self.layout} if self.layout else {}),
        }
        return digest_json(document).sha256

    def is_up_to_date(self, verified: Verified) -> bool:
        """Whether the folder was made from just this, holds the bytes that it was written with, and may be trusted.

        Reads the index as plain JSON: a release of thousands of buckets is looked at in every `apply`.
        """
        try:
            data = read_plain(self.folder / FILENAME)
            index: Any = parse_json(data)
            is_whole = index["stamp"] == self.stamp and verified.holds(self.folder, index)
            return is_whole and verified.is_vouched_for(self, data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False
