"""The seam: a reference to a model, to the model pinned."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from neuronbuild.artifact.snapshot import is_weight_index
from neuronbuild.errors import SourceError
from neuronbuild.files import read_plain
from neuronbuild.source.files import MODELS, TRANSFORMERS

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.source.files import Layout

WHOLE_WEIGHTS = (
    "model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin",
)  # fmt: skip
"""Weights in one file, beside which an index of shards says nothing."""


class Source(ABC):
    """Finds models of one kind of reference."""

    @abstractmethod
    def resolve(
        self,
        reference: str,
        revision: str | None,
        *,
        trust_remote_code: bool = False,
        layouts: tuple[Layout, ...] = MODELS,
    ) -> Model:
        """Pin a model without reading its weights where their digests are known already.

        `revision` is a branch, tag or commit; only the Hub has any. `layouts` are the ways in which it may be saved.

        Raises:
            SourceError: there is no such model, it can't be reached, or it can't be used as asked.
        """


def read_config(reference: str, folder: Path, layout: Layout = TRANSFORMERS) -> dict[str, object]:
    """What a model says of itself; a pipeline of diffusers has its class for a model type.

    Raises:
        SourceError: the document is missing, isn't JSON, or names no model type.
    """
    name = layout.document
    if name is None:
        return {}
    try:
        config = json.loads(read_plain(folder / name).decode())
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(reference, f"it has no {name}", hint=f"give a folder in {layout.library}' format") from None
    except OSError as error:
        raise SourceError(reference, f"its {name} can't be read: {error.strerror}", hint="get the file again") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(reference, f"its {name} can't be read: {error}", hint="get the file again") from None
    kind = config.get(layout.key) if isinstance(config, dict) else None
    if not isinstance(kind, str):
        raise SourceError(reference, f"its {name} names no {layout.key}", hint=f"save it again with {layout.library}")
    return {**config, "model_type": kind}


def lost_shards(folder: Path, names: Collection[str]) -> list[str]:
    """Shards that a checkpoint's indexes name and `names` lack; an index itself where it can't be read."""
    lost = []
    for index in (name for name in names if is_weight_index(name)):
        place = index.rpartition("/")[0]
        prefix = f"{place}/" if place else ""
        if not any(prefix + name in names for name in WHOLE_WEIGHTS):
            lost += _lost_of(folder, index, prefix, names)
    return sorted(lost)


def _lost_of(folder: Path, index: str, prefix: str, names: Collection[str]) -> list[str]:
    try:
        shards = json.loads(read_plain(folder / index).decode())["weight_map"].values()
        return [prefix + name for name in {*shards} if prefix + name not in names]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return [index]


def refuse_missing_adapter(reference: str, names: Collection[str], layout: Layout) -> None:
    """Stop at a LoRA whose file of weights isn't there.

    Raises:
        SourceError: it is one, and has no such file.
    """
    if layout.document is None and not names:
        [[wanted]] = layout.weights
        raise SourceError(reference, f"it has no {wanted}", hint="name its file of weights under `weights`")


def refuse_remote_code(reference: str, config: dict[str, object], *, trusted: bool) -> None:
    """Stop at a model that needs code of its own, unless the recipe trusts it.

    Raises:
        SourceError: the config has an `auto_map` and `trust_remote_code` isn't set.
    """
    if "auto_map" in config and not trusted:
        raise SourceError(
            reference,
            "it needs Python code of its own, which a build would run on this machine",
            hint="take a model of one of transformers' own classes: this version compiles no others, trusted or not",
        )
