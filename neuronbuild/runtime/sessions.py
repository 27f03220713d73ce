"""The loaded graphs of a release, opened when first needed: milliseconds each."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch

from neuronbuild.platforms import PLATFORMS
from neuronbuild.runtime.neuron import NeuronSession
from neuronbuild.runtime.session import AotiSession
from neuronbuild.runtime.tensors import Tensors
from neuronbuild.tasks.table import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from neuronbuild.artifact.signature import TensorSpec
    from neuronbuild.platforms import Platform
    from neuronbuild.runtime.reader import CompiledShape, ReleaseFolder
    from neuronbuild.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Kind:
    """How the file of a bucket is opened: its constants, the platform, and the NeuronCore to load onto, if one is named.

    The bytes were verified before. `unpacks` says that opening writes what is in the file to a temporary folder.
    """

    open: Callable[[CompiledShape, Mapping[str, torch.Tensor], Platform, int | None], Session]
    unpacks: bool = False


SESSIONS = {
    "aotinductor": Kind(lambda bucket, constants, *_: AotiSession(bucket, constants), unpacks=True),
    "torch-neuron": Kind(NeuronSession),
}
"""By the word in a platform's row."""


@final
class Sessions:
    """Sessions by the index of their bucket. Safe to use from several threads; all share one mapping of the weights."""

    def __init__(self, release: ReleaseFolder) -> None:
        self._release = release
        self._tensors = Tensors(release.folder, release.index)
        self._sessions: dict[int, Session] = {}
        self._lock = threading.Lock()

    def get(self, index: int) -> Session:
        """The session of a bucket.

        Raises:
            ReleaseError: the release was replaced since it was read, or can't be loaded.
        """
        session = self._sessions.get(index)
        if session is None:
            with self._lock:
                if index not in self._sessions:
                    self._sessions[index] = self._open(index)
                session = self._sessions[index]
        return session

    def warm(self) -> None:
        """Open every session and run it once, so that the first call costs what every call costs."""
        for index, bucket in enumerate(self._release.buckets):
            specs = (*bucket.signature.inputs, *bucket.signature.states)
            self.get(index).run([_blank(spec) for spec in specs])

    def _open(self, index: int) -> Session:
        """Open a bucket of the very release that was read, which may have been replaced at any moment since."""
        bucket, row = self._release.buckets[index], PLATFORMS[self._release.index.platform]
        kind = SESSIONS[row.session]
        self._release.refuse_replaced()
        with bucket.verified(unpacked=kind.unpacks) as verified:
            session = kind.open(verified, self._tensors.constants(bucket), row, self._release.core)
        self._release.refuse_replaced()
        return session


def _blank(spec: TensorSpec) -> torch.Tensor:
    """Zeros, but for a mask: a row that attends to nothing would give NaN in some models."""
    return torch.full(spec.shape, int(spec.name == MASK), dtype=getattr(torch, spec.dtype))
