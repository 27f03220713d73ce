"""A release of one graph that runs: inputs of any fitting shape to outputs of the same, by name."""

from __future__ import annotations

import contextlib
import functools
import warnings
from typing import TYPE_CHECKING, final

import torch

from neuronbuild.errors import ShapeError
from neuronbuild.runtime.bucket import Chunk, choose
from neuronbuild.runtime.inputs import complete_inputs
from neuronbuild.runtime.padding import ADVICE, CHANGES, LENGTHS, cut_output, is_padding_refused, pad_input, pad_token
from neuronbuild.runtime.sessions import Sessions
from neuronbuild.tasks import EXACT, TASKS, all_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.runtime.reader import ReleaseFolder

REMEMBERED = 4096
"""Choices of buckets that are remembered: one for each distinct shape of inputs."""


@final
class Runner:
    """Safe to use from several threads."""

    def __init__(self, release: ReleaseFolder) -> None:
        self._release = release
        self._sessions = Sessions(release)
        self._shapes = tuple(bucket.shape for bucket in release.buckets)
        self._pad_token = pad_token(release.folder)
        self._known = release.buckets[0].known
        self._further = TASKS[release.index.task].graph(release.buckets[0].graph).further
        self._choose = functools.lru_cache(REMEMBERED)(self._choose_now)

    def run(self, given: Mapping[str, object]) -> dict[str, torch.Tensor]:
        """Outputs by name, of the batch and lengths that were given.

        Raises:
            InputError: inputs are missing, unknown or of the wrong kind.
            ShapeError: they fit no compiled shape, or would be padded where `padding_refused`.
        """
        first = self._release.buckets[0]
        inputs, sizes = complete_inputs(given, first.signature.inputs, self._known)
        chunks = self._choose(tuple(sizes.items()))
        if self._release.index.padding_matters:
            self._tell_padding(self._shapes[chunks[0][0]].as_dict(), sizes)
        sizes = all_sizes(sizes, first.config)
        if len(chunks) == 1:
            return self._run_chunk(chunks[0][0], inputs, sizes)
        parts, start = [], 0
        for index, rows in chunks:
            parts.append(self._run_chunk(index, [tensor[start : start + rows] for tensor in inputs], sizes))
            start += rows
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def warm(self) -> None:
        """Open every compiled shape and run it once."""
        self._sessions.warm()

    def _choose_now(self, sizes: tuple[tuple[str, int], ...]) -> list[Chunk]:
        needed, split = dict(sizes), self._release.index.dynamic_batch_size
        if self._release.index.padding_matters:
            with contextlib.suppress(ShapeError):  # a shape that is padded may cost less, or is all that there is
                return choose(self._shapes, needed, split=split, exact=EXACT | LENGTHS)
        return choose(self._shapes, needed, split=split)

    def _tell_padding(self, chosen: Mapping[str, int], sizes: Mapping[str, int]) -> None:
        """Warn of inputs that will be padded, or refuse them."""
        if all(chosen[axis] == sizes[axis] for axis in LENGTHS & chosen.keys()):
            return
        if is_padding_refused():
            given = ", ".join(f"{axis}={size}" for axis, size in sizes.items())
            raise ShapeError(given, [str(shape) for shape in self._shapes], hint=f"{CHANGES}: {ADVICE}")
        warnings.warn(f"{CHANGES}: {ADVICE}", stacklevel=4)

    def _run_chunk(self, index: int, inputs: list[torch.Tensor], sizes: Mapping[str, int]) -> dict[str, torch.Tensor]:
        signature, release = self._release.buckets[index].signature, self._release.index
        padded = [pad_input(tensor, spec, self._pad_token) for tensor, spec in zip(inputs, signature.inputs, strict=True)]
        outputs = self._sessions.get(index).run(padded)
        cut = {**sizes, str(signature.inputs[0].axes[0]): inputs[0].shape[0]}
        return {
            spec.name: cut_output(tensor, spec, cut)
            for tensor, spec in zip(outputs, signature.outputs, strict=True)
            if spec.name not in release.omitted_outputs and spec.name not in self._further
        }
