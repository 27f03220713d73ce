"""The seam: a reference to a model, to the model pinned."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from neuronbuild.artifact.snapshot import WEIGHT_INDEXES
from neuronbuild.errors import SourceError
from neuronbuild.files import read_plain

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from neuronbuild.artifact.snapshot import Model

WHOLE_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Weights in one file, beside which an index of shards says nothing."""


class Source(ABC):
    """Finds models of one kind of reference."""

    @abstractmethod
    def resolve(self, reference: str, revision: str | None, *, trust_remote_code: bool = False) -> Model:
        """Pin a model without reading its weights where their digests are known already.

        `revision` is a branch, tag or commit; only the Hub has any.

        Raises:
            SourceError: there is no such model, it can't be reached, or it can't be used as asked.
        """


def read_config(reference: str, path: Path) -> dict[str, object]:
    """A model's `config.json`.

    Raises:
        SourceError: the file is missing, isn't JSON, or names no model type.
    """
    try:
        config = json.loads(read_plain(path).decode())
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(reference, "it has no config.json", hint="give a folder in transformers' format") from None
    except OSError as error:
        raise SourceError(reference, f"its config.json can't be read: {error.strerror}", hint="get the file again") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(reference, f"its config.json can't be read: {error}", hint="get the file again") from None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise SourceError(reference, "its config.json names no model_type", hint="save it again with transformers")
    return config


def lost_shards(folder: Path, names: Collection[str]) -> list[str]:
    """Shards that a checkpoint's index names and `names` lack; the index itself where it can't be read."""
    index = next((name for name in WEIGHT_INDEXES if name in names), None)
    if index is None or any(name in names for name in WHOLE_WEIGHTS):
        return []
    try:
        shards = json.loads(read_plain(folder / index).decode())["weight_map"].values()
        return sorted({*shards} - {*names})
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return [index]


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
