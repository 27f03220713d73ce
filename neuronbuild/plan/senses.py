"""Config values of models that see and hear, as far as they follow from others.

As `derived`: it repeats what transformers' config classes do when they are made, and a test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Config = dict[str, object]

MOST_STAGES = 32
"""A config that has more is left as it is, for transformers to refuse."""


def _levit(config: Config) -> None:
    """How the first stages hand over to the next: keys a head, heads, and the stride."""
    keys, widths = config.get("key_dim"), config.get("hidden_sizes")
    if config.get("down_ops") is not None or not isinstance(keys, list) or not isinstance(widths, list):
        return
    if keys and len(widths) > 1 and all(type(size) is int and size > 0 for size in (keys[0], *widths[:2])):
        config["down_ops"] = [["Subsample", keys[0], width // keys[0], 4, 2, 2] for width in widths[:2]]


def _swin(config: Config) -> None:
    depths, width = config.get("depths"), config.get("embed_dim")
    if isinstance(depths, list) and depths and len(depths) <= MOST_STAGES:
        config.setdefault("num_layers", len(depths))
        if type(width) is int:
            config.setdefault("hidden_size", width * 2 ** (len(depths) - 1))


def _pooled(config: Config) -> None:
    config["pooler_output_size"] = config.get("pooler_output_size") or config["hidden_size"]


def _speech(config: Config) -> None:
    layers = config.get("conv_dim")
    if isinstance(layers, list):
        config.setdefault("num_feat_extract_layers", len(layers))


def _adapted_speech(config: Config) -> None:
    _speech(config)
    config["output_hidden_size"] = config.get("output_hidden_size") or config["hidden_size"]


SPELLINGS: dict[str, dict[str, str]] = {
    "convnext": {"num_hidden_layers": "num_stages"},
    "convnextv2": {"num_hidden_layers": "num_stages"},
    "swin": {"num_attention_heads": "num_heads", "num_hidden_layers": "num_layers"},
}

PARTS: dict[str, dict[str, str]] = {
    "clip": {"text_config_dict": "text_config", "vision_config_dict": "vision_config"},
}
"""Older names of configs within a config. Where one isn't null, it counts."""

DERIVED: dict[str, tuple[str, ...]] = {
    "deit": ("pooler_output_size",),
    "hubert": ("num_feat_extract_layers",),
    "levit": ("down_ops",),
    "swin": ("hidden_size", "num_layers"),
    "unispeech": ("num_feat_extract_layers",),
    "unispeech-sat": ("num_feat_extract_layers",),
    "vit": ("pooler_output_size",),
    "wav2vec2": ("num_feat_extract_layers", "output_hidden_size"),
    "wavlm": ("num_feat_extract_layers", "output_hidden_size"),
}

RULES: dict[str, Callable[[Config], None]] = {
    "deit": _pooled,
    "hubert": _speech,
    "levit": _levit,
    "swin": _swin,
    "unispeech": _speech,
    "unispeech-sat": _speech,
    "vit": _pooled,
    "wav2vec2": _adapted_speech,
    "wavlm": _adapted_speech,
}
