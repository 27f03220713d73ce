"""Files that transformers' tokenizers and processors read. Data, written by `make preprocessing-files`.

Taken from transformers 5.23.0; a test compares it with the version installed.
"""

from __future__ import annotations

VOCABULARIES: tuple[str, ...] = (
    "byte_maps.json",
    "prophetnet.tokenizer",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "source.spm",
    "spiece.model",
    "spm.model",
    "spm_char.model",
    "tekken.json",
    "tokenizer.json",
    "tokenizer.model",
    "vocab-src.json",
    "vocab.json",
    "vocab.txt",
)
"""Files that hold the words of a tokenizer."""

SETTINGS: tuple[str, ...] = (
    "added_tokens.json",
    "audio_tokenizer_config.json",
    "bpe.codes",
    "chat_template.jinja",
    "chat_template.json",
    "dict.txt",
    "emoji.json",
    "entity_vocab.json",
    "merges.txt",
    "normalizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "target.spm",
    "target_vocab.json",
    "tokenizer_config.json",
    "video_preprocessor_config.json",
    "vocab-tgt.json",
    "word_pronunciation.json",
    "word_shape.json",
)
"""What tokenizers and processors read besides."""

TEMPLATES = "additional_chat_templates"
"""The folder of further chat templates."""

FOLDERS: tuple[str, ...] = ("alignment_tokenizer", "protein_tokenizer", "qformer_tokenizer")
"""Folders of the second tokenizers that some processors have."""
