"""What graphs keep between calls: a cache whose tensors go into every call, and may stay on a device in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neuronbuild.artifact.signature import Signature
    from neuronbuild.runtime.session import Session


@final
class States:
    """The tensors of one cache, and which session holds what is in them by now. Not for several threads at once."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        self._tensors = tensors
        self._holder: Session | None = None

    @classmethod
    def blank(cls, signature: Signature) -> States:
        """An empty cache for a graph."""
        return cls([torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype)) for spec in signature.states])

    def run(self, session: Session, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Call a graph that reads and updates them, and give its outputs."""
        tensors = self._tensors if session is self._holder else self.tensors()
        self._holder = session
        return session.run([*inputs, *tensors])

    def tensors(self) -> list[torch.Tensor]:
        """The tensors themselves, to read or to write before the next call."""
        if self._holder is not None:
            self._holder.sync_states(self._tensors)
        return self._tensors
