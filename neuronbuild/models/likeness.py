"""What transformers' pipelines ask of any model, besides what it computes."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import torch

from neuronbuild.errors import InputError
from neuronbuild.tasks import OWN_TASKS

Self = TypeVar("Self", bound="Likeness")


MODALITIES = {"input_ids": "text", "pixel_values": "image", "input_values": "audio", "input_features": "audio"}
"""What the inputs of a graph are made from."""


class Likeness:
    """A model that is where it is, as it is: on the CPU, taking and giving float32, never training."""

    task: ClassVar[str] = ""
    base_model_prefix: ClassVar[str] = "model"

    @property
    def input_modalities(self) -> tuple[str, ...]:
        """What is read: text, images, sound."""
        found = [MODALITIES[spec.name] for spec in OWN_TASKS[self.task].graphs[0].inputs if spec.name in MODALITIES]
        return tuple(sorted(set(found)))

    @property
    def output_modalities(self) -> tuple[str, ...]:
        """What is generated: text."""
        return ("text",)

    @property
    def device(self) -> torch.device:
        """Where tensors must be: the CPU."""
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """What floating-point inputs are, whatever the graph computes in."""
        return torch.float32

    def to(self: Self, *where: object, device: object = None, dtype: object = None) -> Self:
        """The model itself, if that is where it is.

        Raises:
            InputError: another device or dtype is asked for.
        """
        for wanted in (*where, device, dtype):
            if wanted is not None and str(wanted) not in {"cpu", "torch.float32"}:
                raise InputError(f"a compiled model can't be moved to {wanted}", hint="compile it for what it is to run on")
        return self

    def eval(self: Self) -> Self:
        """The model itself."""
        return self

    def can_generate(self) -> bool:
        """Whether it has `generate()`."""
        return hasattr(self, "generate")
