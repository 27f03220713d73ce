"""Config values of models with an encoder and a decoder that follow from others; as `derived`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Config = dict[str, object]

_BART = {
    "hidden_size": "d_model",
    "num_attention_heads": "encoder_attention_heads",
    "num_hidden_layers": "encoder_layers",
}
_T5 = {
    "head_dim": "d_kv",
    "hidden_size": "d_model",
    "num_attention_heads": "num_heads",
    "num_hidden_layers": "num_layers",
}


def _marian(config: Config) -> None:
    if config.get("decoder_vocab_size") is None:
        config["decoder_vocab_size"] = config["vocab_size"]


def _mt5(config: Config) -> None:
    config["tie_word_embeddings"] = True
    if config.get("num_decoder_layers") is None:
        config["num_decoder_layers"] = config["num_layers"]
    words = str(config["feed_forward_proj"]).split("-")
    config["is_gated_act"] = words[0] == "gated"
    config["dense_act_fn"] = "gelu_new" if words == ["gated", "gelu"] else words[-1]


def _t5(config: Config) -> None:
    """Versions of T5 after the first say by untied embeddings that scores aren't scaled, and tie them all the same."""
    config.setdefault("scale_decoder_outputs", config.get("tie_word_embeddings") is not False)
    _mt5(config)


SPELLINGS: dict[str, dict[str, str]] = {
    "bart": _BART,
    "m2m_100": _BART,
    "marian": _BART,
    "mbart": _BART,
    "mt5": _T5,
    "pegasus": _BART,
    "t5": _T5,
    "whisper": _BART | {"num_key_value_heads": "encoder_attention_heads"},
}

DERIVED: dict[str, tuple[str, ...]] = {
    "marian": ("decoder_vocab_size",),
    "mt5": ("dense_act_fn", "is_gated_act", "num_decoder_layers"),
    "t5": ("dense_act_fn", "is_gated_act", "num_decoder_layers", "scale_decoder_outputs"),
}

RULES: dict[str, Callable[[Config], None]] = {"marian": _marian, "mt5": _mt5, "t5": _t5}
