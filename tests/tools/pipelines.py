"""Diffusion pipelines, LoRAs and ControlNets as folders: the files that matter, with bytes for weights."""

from __future__ import annotations

import json
from pathlib import Path

WEIGHTS = "diffusion_pytorch_model.safetensors"
PARTS = {
    "text_encoder": ("transformers", "CLIPTextModel", "model.safetensors"),
    "unet": ("diffusers", "UNet2DConditionModel", WEIGHTS),
    "vae": ("diffusers", "AutoencoderKL", WEIGHTS),
}
FLUX = {
    "text_encoder": PARTS["text_encoder"],
    "text_encoder_2": ("transformers", "T5EncoderModel", "model.safetensors"),
    "transformer": ("diffusers", "FluxTransformer2DModel", WEIGHTS),
    "vae": PARTS["vae"],
}


def write_pipeline(folder: Path, kind: str = "StableDiffusionPipeline", parts: dict | None = None, length: int = 77) -> Path:
    """A pipeline in diffusers' format."""
    parts = PARTS if parts is None else parts
    index: dict[str, object] = {"_class_name": kind, "_diffusers_version": "0.30.0", "safety_checker": [None, None]}
    index |= {"scheduler": ["diffusers", "PNDMScheduler"], "tokenizer": ["transformers", "CLIPTokenizer"]}
    index |= {name: [library, model_class] for name, (library, model_class, _) in parts.items()}
    _write(folder / "model_index.json", index)
    _write(folder / "scheduler/scheduler_config.json", {"_class_name": "PNDMScheduler"})
    _write(folder / "tokenizer/tokenizer_config.json", {"model_max_length": length})
    _write(folder / "tokenizer/vocab.json", {"a": 0})
    (folder / "README.md").write_text("Pictures.")
    for name, (library, model_class, weights) in parts.items():
        key = "_class_name" if library == "diffusers" else "architectures"
        _write(folder / name / "config.json", {key: model_class})
        (folder / name / weights).write_bytes(f"weights of {name}".encode())
        (folder / name / weights.replace(".", ".fp16.", 1)).write_bytes(b"a variant that nobody asked for")
    return folder


def write_lora(folder: Path, name: str = "pytorch_lora_weights.safetensors") -> Path:
    """A LoRA: one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(f"lora {folder.name}/{name}".encode())
    return folder


def write_controlnet(folder: Path) -> Path:
    """A ControlNet in diffusers' format."""
    _write(folder / "config.json", {"_class_name": "ControlNetModel"})
    (folder / WEIGHTS).write_bytes(f"controlnet {folder.name}".encode())
    return folder


def _write(file: Path, content: dict) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
