"""A release that runs: inputs of any fitting shape to outputs of the same, by name."""

from __future__ import annotations

import functools
import json
import threading
import warnings
from typing import TYPE_CHECKING, final

import torch

from neuronbuild.runtime.bucket import Chunk, choose
from neuronbuild.runtime.inputs import complete_inputs
from neuronbuild.runtime.padding import cut_output, pad_input
from neuronbuild.runtime.reader import ReleaseFolder, read_release
from neuronbuild.runtime.session import AotiSession
from neuronbuild.runtime.tensors import Tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neuronbuild.artifact.release_index import ReleaseIndex
    from neuronbuild.artifact.shape import Shape
    from neuronbuild.runtime.reader import CompiledShape
    from neuronbuild.runtime.session import Session

REMEMBERED = 4096
"""Choices of buckets that are remembered: one for each distinct shape of inputs."""


@final
class Runner:
    """Sessions are opened when first needed (milliseconds each). Safe to use from several threads."""

    def __init__(self, release: ReleaseFolder) -> None:
        self._release = release
        self._tensors = Tensors(release.folder, release.index)
        self._sessions: dict[int, Session] = {}
        self._lock = threading.Lock()
        self._pad_token = _pad_token(release.folder)
        self._axes = tuple(axis for axis in release.buckets[0].signature.inputs[0].axes if axis is not None)
        self._choose = functools.lru_cache(REMEMBERED)(self._choose_now)

    @classmethod
    def open(cls, folder: Path) -> Runner:
        """Read a release folder; nothing is mapped or loaded yet.

        Raises:
            ReleaseError: this host can't run it.
        """
        return cls(read_release(folder))

    @property
    def folder(self) -> Path:
        """Where the release lies."""
        return self._release.folder

    @property
    def index(self) -> ReleaseIndex:
        """What the release says of itself."""
        return self._release.index

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The compiled shapes."""
        return tuple(bucket.shape for bucket in self._release.buckets)

    def run(self, given: Mapping[str, object]) -> dict[str, torch.Tensor]:
        """Outputs by name, of the batch and lengths that were given.

        Raises:
            InputError: inputs are missing, unknown or of the wrong kind.
            ShapeError: they fit no compiled shape.
        """
        first = self._release.buckets[0]
        inputs = complete_inputs(given, first.signature.inputs, first.limits)
        chunks = self._choose(tuple(inputs[0].shape))
        if len(chunks) == 1:
            return self._run_chunk(chunks[0][0], inputs)
        parts, start = [], 0
        for index, rows in chunks:
            parts.append(self._run_chunk(index, [tensor[start : start + rows] for tensor in inputs]))
            start += rows
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def warm(self) -> None:
        """Open every session and run it once, so that the first call costs what every call costs."""
        for index, bucket in enumerate(self._release.buckets):
            self._session(index).run([torch.ones(spec.shape, dtype=torch.int64) for spec in bucket.signature.inputs])

    def _choose_now(self, sizes: tuple[int, ...]) -> list[Chunk]:
        return choose(self.shapes, dict(zip(self._axes, sizes, strict=True)), split=self.index.dynamic_batch_size)

    def _run_chunk(self, index: int, inputs: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        signature = self._release.buckets[index].signature
        if self.index.padding_matters and tuple(inputs[0].shape[1:]) != signature.inputs[0].shape[1:]:
            warnings.warn("padding changes this model's results: give it inputs of just a compiled length", stacklevel=2)
        padded = [pad_input(tensor, spec, self._pad_token) for tensor, spec in zip(inputs, signature.inputs, strict=True)]
        sizes = dict(zip(self._axes, inputs[0].shape, strict=True))
        outputs = self._session(index).run(padded)
        return {
            spec.name: cut_output(tensor, spec, sizes)
            for tensor, spec in zip(outputs, signature.outputs, strict=True)
            if spec.name not in self.index.omitted_outputs
        }

    def _session(self, index: int) -> Session:
        session = self._sessions.get(index)
        if session is None:
            with self._lock:
                if index not in self._sessions:
                    self._sessions[index] = self._open(self._release.buckets[index])
                session = self._sessions[index]
        return session

    def _open(self, bucket: CompiledShape) -> Session:
        """Open a bucket of the very release that was read, which may have been replaced at any moment since."""
        self._release.refuse_replaced()
        session = AotiSession(bucket, self._tensors.constants(bucket))
        self._release.refuse_replaced()
        return session


def _pad_token(folder: Path) -> int:
    """The config's padding token, 0 where it names none."""
    try:
        token = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("pad_token_id")
    except (OSError, ValueError):
        return 0
    return token if isinstance(token, int) else 0
