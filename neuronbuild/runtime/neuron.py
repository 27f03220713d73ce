"""A traced Neuron model as a session: a TorchScript file with a NEFF in it, on a NeuronCore of this host."""

from __future__ import annotations

import importlib
import threading
import weakref
from typing import TYPE_CHECKING, Any, final

import torch

from neuronbuild.errors import ReleaseError, first_line
from neuronbuild.neff import NeffError, find_neff
from neuronbuild.runtime.hosts import ANEW
from neuronbuild.runtime.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuronbuild.platforms import Platform
    from neuronbuild.runtime.reader import CompiledShape

NEWER = ("NEFF version", "UNSUPPORTED_NEFF", "status=10")
NOT_STARTED = "could not be initialized"
"""In what the runtime says of a file that is too new for it, and of itself."""


@final
class NeuronSession(Session):
    """Loading puts it on a core. One call at a time: nothing says that a core can be shared by threads."""

    def __init__(
        self, bucket: CompiledShape, constants: Mapping[str, torch.Tensor], platform: Platform, core: int | None
    ) -> None:
        self._lock = threading.Lock()
        path = str(bucket.file)
        if platform.neff_header:
            _refuse_unusable(bucket)
        framework = _framework(platform.framework.replace("-", "_"), path)
        try:
            self._loaded: Any = torch.jit.load(str(bucket.loaded_from))
        except (RuntimeError, ValueError) as error:
            raise _explained(path, str(error)) from None
        self._inputs = len(bucket.signature.inputs)
        self._states = list(self._loaded.parameters()) if bucket.signature.states else []
        self._held: list[tuple[weakref.ref[torch.Tensor], int]] = []
        self._fetched = True
        if constants:
            framework.replace_weights(self._loaded, dict(constants))
            framework.move_trace_to_device(self._loaded, core or 0)  # else they are moved again in every call
        elif core is not None:
            _place(framework, self._loaded, path, core)

    def run(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Call the graph. Its cache stays on the device: of the caller's goes in what isn't there already."""
        given, states = inputs[: self._inputs], inputs[self._inputs :]
        with self._lock, torch.no_grad():
            missing = self._missing(states)
            if missing:
                self._bring_out()
            self._held, self._fetched = [], True  # a call that fails leaves nothing that could be used
            for own, state in missing:
                own.copy_(state)
            outputs = self._loaded(*given)
            self._hold(states)
            self._fetched = not states
        return _flat(outputs)

    def sync_states(self, states: Sequence[torch.Tensor]) -> None:
        """Copy the cache out of the device, if these are its tensors still: another's call has brought them out before."""
        with self._lock, torch.no_grad():
            if not self._missing(states):
                self._bring_out()
                self._hold(states)

    def _missing(self, states: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The device's tensors with those of the caller's that they don't hold: others, or written to since they came.

        By reference: another conversation's tensors may lie where those of one that is over lay.
        """
        held: list[tuple[Any, int]] = [(tensor(), version) for tensor, version in self._held] or [(None, 0)] * len(states)
        return [
            (own, state)
            for own, state, (tensor, version) in zip(self._states, states, held, strict=True)
            if tensor is not state or tensor._version != version  # noqa: SLF001 (torch's only count)
        ]

    def _hold(self, states: Sequence[torch.Tensor]) -> None:
        self._held = [(weakref.ref(state), state._version) for state in states]  # noqa: SLF001 (as above)

    def _bring_out(self) -> None:
        """Copy the cache to the tensors that it came from, unless that was done, or they are gone or hold something newer."""
        for own, (reference, version) in zip(self._states, [] if self._fetched else self._held, strict=False):
            tensor = reference()
            if tensor is not None and tensor._version == version:  # noqa: SLF001 (as above)
                tensor.copy_(own)
        self._fetched = True


def _refuse_unusable(bucket: CompiledShape) -> None:
    try:
        find_neff(bucket.loaded_from)
    except (NeffError, OSError) as error:
        problem = f"{bucket.file.name} {error}"
        raise ReleaseError(str(bucket.file), problem, hint=ANEW) from None


def _flat(outputs: object) -> list[torch.Tensor]:
    """Tensors in their order: other tools' classes read some in tuples."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    return [tensor for each in outputs for tensor in _flat(each)] if isinstance(outputs, tuple | list) else []


def _framework(name: str, path: str) -> Any:  # noqa: ANN401 (a library without types)
    """Imported before the file is loaded: it registers the operator that the file calls."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ReleaseError(path, f"{name} can't be imported: {error}", hint="see `neuronbuild doctor`") from None


def _place(framework: Any, loaded: object, path: str, core: int) -> None:  # noqa: ANN401
    place = getattr(framework, "set_neuron_cores", None)
    if place is None:
        hint = "leave `core` out, or set NEURON_RT_VISIBLE_CORES before the process starts"
        raise ReleaseError(path, f"this {framework.__name__} can't choose a core", hint=hint)
    try:
        place(loaded, start_nc=core, nc_count=1)
    except (RuntimeError, ValueError) as error:
        raise ReleaseError(path, f"core {core} can't be had: {first_line(error)}") from None


def _explained(path: str, text: str) -> ReleaseError:
    first = text.strip().splitlines()[0] if text.strip() else "no reason is given"
    if any(words in text for words in NEWER):
        hint = "install the Neuron runtime of the SDK that compiled it, or compile with this host's SDK (`sdk:`)"
        return ReleaseError(path, f"it is newer than this host's Neuron runtime: {first}", hint=hint)
    if NOT_STARTED in text:
        hint = "look for the driver (aws-neuronx-dkms) and for another process on the cores: `neuron-ls`"
        return ReleaseError(path, f"the Neuron runtime doesn't start: {first}", hint=hint)
    return ReleaseError(path, f"it can't be loaded: {first}", hint=ANEW)
