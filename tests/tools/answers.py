"""What two pipelines say of the same, compared; and inputs drawn at random."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

CLOSE = 5e-4
"""How far numbers may be apart: compiled graphs add in another order."""

LABELS = {
    "text-classification": ["contradiction", "neutral", "entailment"],
    "token-classification": ["O", "B-PER", "I-PER"],
}


def make_vivid(model: Path, folder: Path, task: str) -> Path:
    """The same model with larger weights, so that no two inputs have the same answer, and with names for its labels."""
    shutil.copytree(model, folder)
    generator = torch.Generator().manual_seed(7)
    tensors = {
        name: tensor * (6 if tensor.dim() > 1 else 1) + 0.1 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in sorted(load_file(model / "model.safetensors").items())
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    if task in LABELS:
        alter_json(folder / "config.json", id2label=dict(enumerate(LABELS[task])), label2id=None)
        alter_json(folder / "config.json", label2id={name: number for number, name in enumerate(LABELS[task])})
    return folder


def alter_json(file: Path, **changes) -> None:
    """Have a JSON file say something else."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def plain(value):
    """What a pipeline gives, in numbers and words that can be compared."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Image.Image | torch.Tensor):
        return np.asarray(value).tolist()
    return float(value) if isinstance(value, float | np.floating) else value


def alike(one, other) -> bool:
    """Whether two such values are the same, but for the last digits."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(alike, one, other))
    return abs(one - other) < CLOSE if isinstance(one, float) else one == other


def assert_alike(one, other) -> None:
    """Stop where they differ, and show both."""
    one, other = plain(one), plain(other)
    assert alike(one, other), f"{one}\n{other}"


def random_picture(seed: int, width: int = 60, height: int = 40) -> Image.Image:
    """A picture of random colours."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), "uint8"))


def random_sound(seed: int, samples: int = 400) -> np.ndarray:
    """Noise, float32 of shape (samples,)."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype("float32")
