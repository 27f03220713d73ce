"""A release that `run` tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronbuild.cli.media import read_sound
from neuronbuild.models.pipelines import pipeline
from neuronbuild.tasks import OWN_TASKS
from neuronbuild.tasks.audio import AUDIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEW_TOKENS = 64
"""Tokens that a text is continued or answered by, where the release has room for them."""

Rows = list[dict[str, object]]
"""What is shown: a row an answer, the same columns in all rows."""


@dataclass(frozen=True)
class Trial:
    """A loaded model, its folder, and whether texts may be cut and sounds be padded."""

    model: Any
    folder: Path
    fit: bool

    def pipe(self) -> Any:  # noqa: ANN401 (transformers' pipelines have no types)
        """The pipeline of transformers for the model's task."""
        return pipeline(OWN_TASKS[self.model.task].runs_in[0], self.model)

    @property
    def cut(self) -> dict[str, bool]:
        """What tells a pipeline whether to cut."""
        return {"truncation": True} if self.fit else {}

    def encode(self, *texts: object) -> dict[str, Any]:
        """Tensors of texts, or of pairs of texts, cut to the longest compiled shape if they may be."""
        options = {**self.cut, "max_length": self.model.longest} if self.fit else {}
        return dict(self.model.tokenizer(*texts, padding=True, return_tensors="pt", **options))

    def sounds(self, extractor: Any, paths: list[str]) -> Iterator[tuple[str, np.ndarray]]:  # noqa: ANN401 (as above)
        """Each file with its samples, which are padded to a compiled length if they may be."""
        for path in paths:
            samples = read_sound(path, extractor.sampling_rate)
            yield path, self._padded(samples) if self.fit else samples

    def _padded(self, samples: np.ndarray) -> np.ndarray:
        """Followed by silence. Features of fixed length, and sounds longer than every shape, stay as they are."""
        lengths = [shape[AUDIO] for shape in self.model.shapes if AUDIO in shape]
        fitting = [length for length in lengths if length >= len(samples)]
        return np.pad(samples, (0, min(fitting) - len(samples))) if fitting else samples
