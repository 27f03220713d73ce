"""The same model's weights as the world saves them, and other weights for the same model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def copy_model(model: Path, folder: Path, change=None) -> Path:
    """A model in another folder, its tensors (by name) put through `change`."""
    shutil.copytree(model, folder)
    if change is not None:
        save_file(change(load_file(model / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})
    return folder


def train(tensors: dict[str, torch.Tensor], seed: int = 7) -> dict[str, torch.Tensor]:
    """Other weights of the same shapes: every one moves, biases too."""
    generator = torch.Generator().manual_seed(seed)
    return {name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator) for name, tensor in sorted(tensors.items())}


def rename_labels(folder: Path, labels: list[str]) -> Path:
    """Other names for the labels of a classifier."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["id2label"] = {str(index): label for index, label in enumerate(labels)}
    config["label2id"] = {label: index for index, label in enumerate(labels)}
    file.write_text(json.dumps(config))
    return folder


def shard(model: Path, folder: Path) -> Path:
    """Weights in several files, with an index."""
    copy_model(model, folder)
    (folder / WEIGHTS).unlink()
    transformers.AutoModelForSequenceClassification.from_pretrained(model).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


def pickle(model: Path, folder: Path) -> Path:
    """Weights as torch saves them."""
    copy_model(model, folder)
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    return folder


def without_prefix(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names as a base model has them."""
    return {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}


def with_old_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names of layer norms' parameters as they came from TensorFlow."""
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    return {
        next((name.replace(new, was) for new, was in old.items() if name.endswith(new)), name): tensor
        for name, tensor in tensors.items()
    }


def halve(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Half precision."""
    return {name: tensor.half() for name, tensor in tensors.items()}
