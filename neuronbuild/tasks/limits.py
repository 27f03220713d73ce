"""Where a model's tables end: which ids and positions its inputs may hold, as its config says.

Neither is checked by a compiled graph: an id outside its table is read from other memory, and beyond the length to which a
model's rotary embeddings keep their frequencies a graph goes on with those that it was compiled with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuronbuild.tasks.rotations import fixed_length
from neuronbuild.tasks.table import TOKEN_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

LENGTHS = ("max_position_embeddings", "n_positions", "max_target_positions")
"""Keys under which families say how many tokens they can read."""

TYPE_SIZE = "type_vocab_size"
"""The config's key for the number of token types, where a model has a table of them."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a model's config says of its inputs, by name.

    `limits` are the numbers that values end before. `defaults` are those that an input which isn't given is full of; another
    input must be given. `ignored` are inputs that the model pays no heed to.
    """

    limits: Mapping[str, int] = field(default_factory=dict)
    defaults: Mapping[str, int] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()


def text_part(config: Mapping[str, object]) -> Mapping[str, object]:
    """The part of a config that is about text."""
    part = config.get("text_config")
    return part if isinstance(part, dict) else config


def input_limits(config: Mapping[str, object]) -> dict[str, int]:
    """By input, which number its values end before; 0 in a config means that there is no table.

    Token types are looked up among the words where a model has no table of their own (XLM, FlauBERT).
    """
    words = text_part(config)
    vocabulary = words.get("vocab_size")
    sizes = {
        "input_ids": vocabulary,
        "decoder_input_ids": _decoder_vocabulary(words),
        TOKEN_TYPES: words.get(TYPE_SIZE, vocabulary),
        "position_ids": longest_sequence(words),
    }
    return {name: size for name, size in sizes.items() if isinstance(size, int) and size > 0}


def longest_sequence(words: Mapping[str, object], shortfall: int | None = 0) -> int | None:
    """Tokens of the longest sequence that a model can be compiled for, or `None` where its config bounds no length.

    `shortfall` is how many tokens less than positions it reads; `None` says that no table of positions bounds the length.
    """
    stated = next((words[key] for key in LENGTHS if key in words), None)
    bounds = [stated - shortfall] if isinstance(stated, int) and shortfall is not None else []
    fixed = fixed_length(words)
    return min([*bounds, *([] if fixed is None else [fixed])], default=None)


def _decoder_vocabulary(config: Mapping[str, object]) -> object:
    """Marian alone may have a table of its own for what it writes."""
    shared = config.get("share_encoder_decoder_embeddings", True) and config.get("tie_word_embeddings", True)
    own = config.get("decoder_vocab_size") if config.get("model_type") == "marian" and not shared else None
    return own or config.get("vocab_size")
