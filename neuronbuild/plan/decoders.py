"""Config values of decoders that follow from others: heads, rotations, and which layers look how far back.

As `derived`: it repeats what transformers' config classes do when they are made, and a test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Config = dict[str, object]

THETA = 10_000.0
MOST_LAYERS = 10_000
"""A config that says more is left as it is, for transformers to refuse."""


def derive_heads(config: Config) -> None:
    """As many key and value heads as others, and heads that share out the hidden size, unless it says otherwise."""
    if config.get("num_key_value_heads") is None:
        config["num_key_value_heads"] = config["num_attention_heads"]


def derive_head_size(config: Config) -> None:
    """Heads that share out the hidden size."""
    size, heads = config["hidden_size"], config["num_attention_heads"]
    if config.get("head_dim") is None and isinstance(size, int) and isinstance(heads, int) and heads > 0:
        config["head_dim"] = size // heads


def derive_rotation(config: Config, theta: float = THETA, partial: float | None = None) -> None:
    """One mapping for what older configs say as `rope_theta`, `rope_scaling` and `partial_rotary_factor`."""
    stated = config.pop("rope_scaling", None) or config.get("rope_parameters") or {}
    if not isinstance(stated, dict):
        config["rope_parameters"] = stated
        return
    base, factor = config.pop("rope_theta", theta), config.pop("partial_rotary_factor", partial)
    kind = stated.get("rope_type", stated.get("type", "default"))
    result = {"rope_theta": float(base) if type(base) is int else base, "rope_type": kind, **stated}
    if factor is not None:
        result.setdefault("partial_rotary_factor", factor)
    config["rope_parameters"] = result


def _llama(config: Config) -> None:
    derive_heads(config)
    derive_head_size(config)
    derive_rotation(config)


def _granite(config: Config) -> None:
    derive_heads(config)
    derive_rotation(config)


def _phi3(config: Config) -> None:
    derive_heads(config)
    derive_rotation(config, partial=1.0)
    rotation = config["rope_parameters"]
    if isinstance(rotation, dict) and rotation.get("rope_type") in {"su", "yarn"}:  # as the first releases say longrope
        rotation["rope_type"] = "longrope"


def _qwen(config: Config) -> None:
    derive_heads(config)
    derive_rotation(config)
    if not config.get("use_sliding_window"):
        config["sliding_window"] = None
    first, layers = config.get("max_window_layers"), _count(config["num_hidden_layers"])
    if config.get("layer_types") is None and isinstance(first, int) and layers:
        slides = config.get("sliding_window") is not None
        config["layer_types"] = [_layer(slides=slides and index >= first) for index in range(layers)]


def _smollm3(config: Config) -> None:
    derive_heads(config)
    derive_rotation(config, theta=2_000_000.0)
    every, layers = config.get("no_rope_layer_interval"), _count(config["num_hidden_layers"])
    if not layers or not isinstance(every, int) or every < 1:
        return
    if config.get("no_rope_layers") is None:
        config["no_rope_layers"] = [int((index + 1) % every != 0) for index in range(layers)]
    turned = config["no_rope_layers"]
    if config.get("layer_types") is None and isinstance(turned, list):
        slides = bool(config.get("use_sliding_window")) and config.get("sliding_window") is not None
        config["layer_types"] = [_layer(slides=slides and not turns) for turns in turned]


def _gemma(config: Config) -> None:
    derive_rotation(config)
    if config.get("hidden_act") == "gelu":  # a slip in the first releases: tanh was meant
        config["hidden_act"] = "gelu_pytorch_tanh"


def _opt(config: Config) -> None:
    if config.get("word_embed_proj_dim") is None:
        config["word_embed_proj_dim"] = config["hidden_size"]


def _layer(*, slides: bool) -> str:
    return "sliding_attention" if slides else "full_attention"


def _count(value: object) -> int:
    """A number of layers, 0 for what can't be one."""
    return value if isinstance(value, int) and 0 < value <= MOST_LAYERS else 0


SPELLINGS: dict[str, dict[str, str]] = {
    "gpt2": {
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    },
}

DERIVED: dict[str, tuple[str, ...]] = {
    "gemma": ("rope_parameters",),
    "granite": ("num_key_value_heads", "rope_parameters"),
    "llama": ("head_dim", "num_key_value_heads", "rope_parameters"),
    "mistral": ("head_dim", "rope_parameters"),
    "opt": ("word_embed_proj_dim",),
    "phi3": ("num_key_value_heads", "rope_parameters"),
    "qwen2": ("layer_types", "rope_parameters", "sliding_window"),
    "qwen3": ("layer_types", "rope_parameters", "sliding_window"),
    "smollm3": ("layer_types", "no_rope_layers", "rope_parameters"),
}

RULES: dict[str, Callable[[Config], None]] = {
    "gemma": _gemma,
    "granite": _granite,
    "llama": _llama,
    "mistral": _llama,
    "opt": _opt,
    "phi3": _phi3,
    "qwen2": _qwen,
    "qwen3": _qwen,
    "smollm3": _smollm3,
}
