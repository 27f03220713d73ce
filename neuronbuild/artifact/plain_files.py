"""Files that transformers reads of a model's folder by their names, whether anything else speaks of them or not."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from neuronbuild.artifact.snapshot import LANGUAGE_MODEL
from neuronbuild.tasks import preprocessing_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PREPROCESSING = (
    *preprocessing_files.VOCABULARIES,
    *preprocessing_files.SETTINGS,
    "tokenizer*.json",  # `fast_tokenizer_files` in tokenizer_config.json names one for each version of transformers
    "tokenizer.model*",
    "*.model",  # transformers takes any for a vocabulary of SentencePiece
    "*tekken*.json",
    "vocab.*",
    "*.spm",
)
"""What a tokenizer or processor reads of its own folder."""

READ = (
    "config.json",
    "generation_config.json",
    *PREPROCESSING,
    f"{preprocessing_files.TEMPLATES}/*.jinja",
    *(f"{folder}/{pattern}" for folder in preprocessing_files.FOLDERS for pattern in PREPROCESSING),
    "alphabet.json",
    f"{LANGUAGE_MODEL}/*",
)
"""What configs, settings of generation, tokenizers and processors are made of."""

READ_FOLDERS = (preprocessing_files.TEMPLATES, *preprocessing_files.FOLDERS, LANGUAGE_MODEL)
"""The folders of those that don't lie at the top."""


def matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The names that a pattern matches, folder by folder."""
    return [
        name
        for name in names
        if any(fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)
    ]
