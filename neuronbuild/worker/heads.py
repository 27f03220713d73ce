"""Modules of sentence-transformers that have weights of their own, after the pooling: they become parts of the model.

Each is named after the folder that it is saved in, so that a tensor's name says which file holds it.
"""

from __future__ import annotations

import os
import pickle
import typing

import safetensors
import safetensors.torch
import torch

from .contract import Action, SentenceModule
from .errors import UserError, one_line

FILES = ("model.safetensors", "pytorch_model.bin")


class Dense(torch.nn.Module):
    """A linear layer and an activation, and the input again where it is residual."""

    def __init__(self, step: SentenceModule) -> None:
        super().__init__()
        width, made = step["in_features"], step["out_features"]
        self.linear = torch.nn.Linear(width, made, bias=step["bias"])
        self.activation = getattr(torch.nn, step["activation"])()
        self.keeps_input = step["use_residual"]
        if self.keeps_input and width != made:
            self.residual = torch.nn.Linear(width, made, bias=False)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Vectors (batch, out_features) of vectors (batch, in_features)."""
        made = self.activation(self.linear(vectors))
        if not self.keeps_input:
            return made
        return made + (self.residual(vectors) if hasattr(self, "residual") else vectors)


class LayerNorm(torch.nn.Module):
    """A norm over the numbers of each vector."""

    def __init__(self, step: SentenceModule) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(step["dimension"])

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Vectors of the same shape (batch, dimension)."""
        return self.norm(vectors)


KINDS: dict[str, typing.Callable[[SentenceModule], torch.nn.Module]] = {"Dense": Dense, "LayerNorm": LayerNorm}


def attach(model: torch.nn.Module, action: Action, dtype: torch.dtype, folder: str = "") -> torch.nn.Module:
    """The model with those modules, of a dtype; with their weights where a folder is given.

    Raises:
        UserError: a module's weights aren't there, or aren't its own.
    """
    for step in action["model"].get("sentence_modules", []):
        if step["kind"] in KINDS:
            made = KINDS[step["kind"]](step)
            if folder:
                _fill(made, os.path.join(folder, step["path"]), step["path"])
            model.add_module(step["path"], made.to(dtype).eval())
    return model


def _fill(module: torch.nn.Module, folder: str, name: str) -> None:
    found = next((file for file in FILES if os.path.exists(os.path.join(folder, file))), None)
    if found is None:
        raise UserError(f"module {name} has no weights: neither {' nor '.join(FILES)}")
    path = os.path.join(folder, found)
    try:
        tensors = safetensors.torch.load_file(path) if found == FILES[0] else torch.load(path, "cpu", weights_only=True)
        module.load_state_dict(tensors)
    except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError, safetensors.SafetensorError) as error:
        raise UserError(f"{name}/{found} doesn't hold this module's weights: {one_line(error)}") from error
