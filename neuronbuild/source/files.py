"""Which files of a model matter: weights, config, tokenizer or processor; not training data, other formats, pictures."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PLAIN = (
    "config.json",
    "generation_config.json",
    "tokenizer*.json",
    "tokenizer.model",
    "*.spm",
    "spiece.model",
    "sentencepiece*.model",
    "source.spm",
    "target.spm",
    "vocab.*",
    "merges.txt",
    "bpe.codes",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_*_config.json",
    "[0-9]_*/config.json",
    "LICENSE*",
    "NOTICE*",
)
SAFETENSORS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json")
CODE = ("*.py",)


def select_files(paths: Iterable[str], *, code: bool) -> list[str]:
    """The paths that make up a model, sorted: safetensors where there are any, else pickled weights; code only if trusted."""
    names = sorted(paths)
    weights = _matching(names, SAFETENSORS) or _matching(names, PICKLED)
    return sorted({*_matching(names, PLAIN), *weights, *(_matching(names, CODE) if code else [])})


def _matching(names: list[str], patterns: tuple[str, ...]) -> list[str]:
    return [
        name
        for name in names
        if any(fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)
    ]
