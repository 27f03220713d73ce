"""Which files of a model matter: weights, config, tokenizer or processor; not training data, other formats, pictures."""

from __future__ import annotations

from dataclasses import dataclass
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

OF_DIFFUSERS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model-*.safetensors")
OF_DIFFUSERS_PICKLED = ("diffusion_pytorch_model.bin", "diffusion_pytorch_model-*.bin")
INDEXES = ("diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which models are saved: the file that says what it is, by which of its keys, and what else matters.

    `weights` are alternatives, the first of which is taken that a folder has files of. What `nested` says is looked for in
    folders one level down as well. `document` is `None` where a file of weights is all that there is.
    """

    library: str
    document: str | None
    key: str
    plain: tuple[str, ...]
    weights: tuple[tuple[str, ...], ...]
    nested: bool = False


TRANSFORMERS = Layout("transformers", "config.json", "model_type", PLAIN, (SAFETENSORS, PICKLED))
PIPELINE = Layout(
    "diffusers",
    "model_index.json",
    "_class_name",
    ("model_index.json", "scheduler_config.json", *(pattern for pattern in PLAIN if "/" not in pattern), *INDEXES),
    ((*SAFETENSORS, *OF_DIFFUSERS), (*PICKLED, *OF_DIFFUSERS_PICKLED)),
    nested=True,
)
NETWORK = Layout(
    "diffusers", "config.json", "_class_name", ("config.json", *INDEXES, "LICENSE*"), (OF_DIFFUSERS, OF_DIFFUSERS_PICKLED)
)
SENTENCES = Layout("sentence-transformers", "modules.json", "model_type", PLAIN, (SAFETENSORS, PICKLED))
"""Models of transformers as well, in folders that their document names."""

MODELS = (PIPELINE, SENTENCES, TRANSFORMERS)
"""What a recipe may build, in the order in which their documents are looked for."""


def adapter(weights: str) -> Layout:
    """A LoRA: one file of weights."""
    return Layout("diffusers", None, "", (), ((weights,),))


def layout_of(paths: Iterable[str], layouts: tuple[Layout, ...]) -> Layout:
    """The first layout whose document is among the paths, else the last: its absence is what is told."""
    names = set(paths)
    return next((layout for layout in layouts if layout.document in names), layouts[-1])


def select_files(paths: Iterable[str], *, code: bool, layout: Layout = TRANSFORMERS) -> list[str]:
    """The paths that make up a model, sorted: safetensors where there are any, else pickled weights; code only if trusted."""
    names = sorted(paths)
    chosen = {*_matching(names, layout.plain), *(_matching(names, CODE) if code else [])}
    folders = {"", *(name.partition("/")[0] for name in names if name.count("/") == 1)} if layout.nested else {""}
    for folder in folders:
        prefix = f"{folder}/" if folder else ""
        plain = _matching(names, tuple(prefix + pattern for pattern in layout.plain if "/" not in pattern))
        weights = (_matching(names, tuple(prefix + pattern for pattern in patterns)) for patterns in layout.weights)
        chosen |= {*plain, *next((found for found in weights if found), [])}
    return sorted(chosen)


def _matching(names: list[str], patterns: tuple[str, ...]) -> list[str]:
    return [
        name
        for name in names
        if any(fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)
    ]
