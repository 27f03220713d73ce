"""The loaded graphs of a release, opened when first needed: milliseconds each."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, final

import torch

from neuronbuild.runtime.neuron import NeuronSession
from neuronbuild.runtime.session import AotiSession
from neuronbuild.runtime.tensors import Tensors
from neuronbuild.tasks.table import MASK

if TYPE_CHECKING:
    from neuronbuild.artifact.signature import TensorSpec
    from neuronbuild.runtime.reader import ReleaseFolder
    from neuronbuild.runtime.session import Session


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
        bucket, platform = self._release.buckets[index], self._release.index.platform
        self._release.refuse_replaced()
        with bucket.verified(unpacked=platform == "cpu") as verified:
            constants = self._tensors.constants(bucket)
            if platform == "cpu":
                session: Session = AotiSession(verified, constants)
            else:
                session = NeuronSession(verified, constants, platform, self._release.core)
        self._release.refuse_replaced()
        return session


def _blank(spec: TensorSpec) -> torch.Tensor:
    """Zeros, but for a mask: a row that attends to nothing would give NaN in some models."""
    return torch.full(spec.shape, int(spec.name == MASK), dtype=getattr(torch, spec.dtype))
