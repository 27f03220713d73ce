"""Which files of a model matter: weights, config, tokenizer or processor; not training data, other formats, pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.plain_files import READ, matching

if TYPE_CHECKING:
    from collections.abc import Iterable

PLAIN = (
    *READ,
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_*_config.json",
    "[0-9]_*/config.json",
    "LICENSE*",
    "NOTICE*",
)
SAFETENSORS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json")
INDEX = ".index.json"
CODE = ("*.py",)

OF_DIFFUSERS = tuple(f"diffusion_pytorch_{pattern}" for pattern in SAFETENSORS)
OF_DIFFUSERS_PICKLED = tuple(f"diffusion_{pattern}" for pattern in PICKLED)


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which models are saved: the file that says what it is, by which of its keys, and what else matters.

    `weights` are alternatives, the first of which is taken that a folder has files of; shards without their index, which only
    patterns match, don't count. What `nested` says is looked for in folders one level down as well. `document` is `None` where
    a file of weights is all that there is.
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
    ("model_index.json", "scheduler_config.json", *(pattern for pattern in PLAIN if "/" not in pattern)),
    ((*SAFETENSORS, *OF_DIFFUSERS), (*PICKLED, *OF_DIFFUSERS_PICKLED)),
    nested=True,
)
NETWORK = Layout("diffusers", "config.json", "_class_name", ("config.json", "LICENSE*"), (OF_DIFFUSERS, OF_DIFFUSERS_PICKLED))
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
    chosen = {*matching(names, layout.plain), *(matching(names, CODE) if code else [])}
    folders = {"", *(name.partition("/")[0] for name in names if name.count("/") == 1)} if layout.nested else {""}
    for folder in folders:
        prefix = f"{folder}/" if folder else ""
        plain = matching(names, tuple(prefix + pattern for pattern in layout.plain if "/" not in pattern))
        chosen |= {*plain, *_weights(names, [[prefix + pattern for pattern in patterns] for patterns in layout.weights])}
    return sorted(chosen)


def _weights(names: list[str], alternatives: list[list[str]]) -> list[str]:
    """The files of the first alternative that is there: one file, or an index and with it shards."""
    for patterns in alternatives:
        exact = [name for name in patterns if name in names]
        if exact:
            return matching(names, patterns) if any(name.endswith(INDEX) for name in exact) else exact
    return []
