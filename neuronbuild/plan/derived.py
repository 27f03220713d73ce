"""Config values that follow from others: old spellings, and what transformers works out where a config is silent.

It repeats what the config classes do when they are made, so that a model has one config whoever saved it. A test compares
with the transformers installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.plan import decoders, senses, seq2seq

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HEADS = {"num_attention_heads": "n_heads", "num_hidden_layers": "n_layers"}

SPELLINGS: dict[str, dict[str, str]] = {
    "distilbert": {"hidden_size": "dim", **_HEADS},
    "flaubert": {"hidden_size": "emb_dim", "n_words": "vocab_size", **_HEADS},
    "xlm": {
        "hidden_size": "emb_dim",
        "n_words": "vocab_size",
        "bos_index": "bos_token_id",
        "eos_index": "eos_token_id",
        "pad_index": "pad_token_id",
        **_HEADS,
    },
    **decoders.SPELLINGS,
    **seq2seq.SPELLINGS,
    **senses.SPELLINGS,
}
"""Other names of a family's keys. Where a config has both, the other name's value counts."""

DERIVED: dict[str, tuple[str, ...]] = {
    "deberta": ("pooler_hidden_size",),
    "deberta-v2": ("pooler_hidden_size",),
    "mobilebert": ("true_hidden_size",),
    "modernbert": ("layer_types", "rope_parameters"),
    "roformer": ("embedding_size",),
    **decoders.DERIVED,
    **seq2seq.DERIVED,
    **senses.DERIVED,
}
"""Keys that have no default of their own."""


def respell(config: Mapping[str, object]) -> dict[str, object]:
    """The same config with every key under its own name."""
    family = str(config["model_type"])
    parts = senses.PARTS.get(family, {})
    names = SPELLINGS.get(family, {}) | {old: new for old, new in parts.items() if config.get(old) is not None}
    result = {key: value for key, value in config.items() if key not in names and key not in parts}
    return result | {names[key]: value for key, value in config.items() if key in names}


def derive(config: dict[str, object]) -> None:
    """Write out, in place, what follows from the values that a config has with its family's defaults."""
    rule = _RULES.get(str(config["model_type"]))
    if rule is not None:
        rule(config)


def _deberta(config: dict[str, object]) -> None:
    config.setdefault("pooler_hidden_size", config["hidden_size"])
    terms = config["pos_att_type"]
    if isinstance(terms, str):
        config["pos_att_type"] = [term.strip() for term in terms.lower().split("|")]


def _mobilebert(config: dict[str, object]) -> None:
    config.setdefault("true_hidden_size", config["intra_bottleneck_size" if config["use_bottleneck"] else "hidden_size"])


def _modernbert(config: dict[str, object]) -> None:
    _derive_layers(config)
    _derive_rope(config)


def _roformer(config: dict[str, object]) -> None:
    if config.get("embedding_size") is None:
        config["embedding_size"] = config["hidden_size"]


def _derive_layers(config: dict[str, object]) -> None:
    every, layers = config.get("global_attn_every_n_layers", 3), config["num_hidden_layers"]
    if config.get("layer_types") is None:
        if not isinstance(every, int) or not isinstance(layers, int) or every < 1 or layers > decoders.MOST_LAYERS:
            return
        config["layer_types"] = ["sliding_attention" if index % every else "full_attention" for index in range(layers)]
    config.pop("global_attn_every_n_layers", None)


def _derive_rope(config: dict[str, object]) -> None:
    if config.get("rope_parameters") is not None or config.get("rope_scaling") is not None:
        return
    wide, near = config.get("global_rope_theta", 160_000.0), config.get("local_rope_theta", 10_000.0)
    if isinstance(wide, int | float) and isinstance(near, int | float):
        thetas = {"full_attention": float(wide), "sliding_attention": float(near)}
        config["rope_parameters"] = {kind: {"rope_theta": theta, "rope_type": "default"} for kind, theta in thetas.items()}
        config.pop("global_rope_theta", None)
        config.pop("local_rope_theta", None)


_RULES: dict[str, Callable[[dict[str, object]], None]] = {
    "deberta": _deberta,
    "deberta-v2": _deberta,
    "mobilebert": _mobilebert,
    "modernbert": _modernbert,
    "roformer": _roformer,
    **decoders.RULES,
    **seq2seq.RULES,
    **senses.RULES,
}
