"""One loaded graph of one bucket: tensors in, tensors out, at the compiled shape."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

import torch

from neuronbuild.errors import ReleaseError, first_line
from neuronbuild.runtime.hosts import ANEW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuronbuild.runtime.reader import CompiledShape

NAME = "model"


class Session(ABC):
    """The seam: whatever runs a compiled graph. Safe to call from several threads."""

    @abstractmethod
    def run(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Outputs for inputs of just the compiled shapes and dtypes, in the signature's order; after them come the states.

        States are updated by the call. What is in these tensors then counts once they are fetched.
        """

    @abstractmethod
    def sync_states(self, states: Sequence[torch.Tensor]) -> None:
        """Have tensors that were states of a call hold what it left: needed before they are read, or written in part."""


@final
class AotiSession(Session):
    """An AOTInductor package, opened by torch's C++ loader.

    `torch._inductor.aoti_load_package` would import Inductor first: seconds, for nothing that is needed to run. The
    loader lets one call at a time into the graph, whichever threads they come from.
    """

    def __init__(self, bucket: CompiledShape, constants: Mapping[str, torch.Tensor]) -> None:
        from torch._C._aoti import AOTIModelPackageLoader

        path = bucket.file
        try:
            self._loader = AOTIModelPackageLoader(str(bucket.loaded_from), NAME, False, 1, -1)  # noqa: FBT003 (False: it locks for us)
            asked = set(self._loader.get_constant_fqns())
        except RuntimeError as error:
            hint = (
                f"torch unpacks it below {tempfile.gettempdir()}: TMPDIR must name a folder with space, whose files may be run"
            )
            raise ReleaseError(str(path), f"torch can't load it: {first_line(error)}", hint=hint) from None
        if asked != set(constants):
            problem = f"it asks for other constants than its manifest lists: {sorted(asked ^ set(constants))[:3]}"
            raise ReleaseError(str(path), problem, hint=ANEW)
        self._constants = dict(constants)  # user_managed: the library keeps pointers only, so these must live as long
        self._loader.load_constants(self._constants, use_inactive=False, check_full_update=True, user_managed=True)

    def run(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Call the graph."""
        outputs: list[torch.Tensor] = self._loader.run(list(inputs))
        return outputs

    def sync_states(self, states: Sequence[torch.Tensor]) -> None:
        """Nothing is to be done: the graph has updated the tensors themselves."""
