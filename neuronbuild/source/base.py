"""The seam: a reference to a model, to the model pinned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from neuronbuild.errors import SourceError
from neuronbuild.files import UnsafeNameError, check_names, parse_json, read_plain
from neuronbuild.source.checkpoint import refuse_config, refuse_files
from neuronbuild.source.files import MODELS, PIPELINE, TRANSFORMERS, select_files
from neuronbuild.source.shards import settle_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from neuronbuild.artifact.snapshot import Model
    from neuronbuild.source.files import Layout


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


def open_checkpoint(
    reference: str, present: Collection[str], layout: Layout, path_of: Callable[[str], Path], *, trusted: bool
) -> tuple[dict[str, object], list[str]]:
    """A model's config, and the names of the files that matter of all that are `present`.

    `path_of` gives the path of a small file.

    Raises:
        SourceError: it is no model, can't be read, or is one that a build would take for another than a library does.
    """
    selected = select_files(present, code=trusted, layout=layout)
    refuse_names(reference, selected)
    if layout.document is None:
        refuse_missing_adapter(reference, selected, layout)
        return {}, selected
    refuse_files(reference, present, selected, layout)
    config = read_config(reference, path_of(layout.document).parent, layout)
    refuse_config(reference, config, trusted=trusted)
    names = refuse_names(reference, settle_shards(reference, selected, present, path_of))
    for part in names if layout is PIPELINE else ():
        if part.endswith(f"/{TRANSFORMERS.document}"):
            refuse_config(reference, read_document(reference, path_of(part), part), name=part)
    return config, names


def read_config(reference: str, folder: Path, layout: Layout = TRANSFORMERS) -> dict[str, object]:
    """What a model says of itself; a pipeline of diffusers has its class for a model type.

    Raises:
        SourceError: the document is missing, isn't JSON, or names no model type.
    """
    name = layout.document
    if name is None:
        return {}
    config = read_document(reference, folder / name, name)
    kind = config.get(layout.key)
    if not isinstance(kind, str):
        raise SourceError(reference, f"its {name} names no {layout.key}", hint=f"save it again with {layout.library}")
    return {**config, "model_type": kind}


def read_document(reference: str, path: Path, name: str) -> dict[str, object]:
    """The JSON object in a file that the model calls `name`; another value is an object without keys.

    Raises:
        SourceError: it is missing, or isn't JSON.
    """
    try:
        document = parse_json(read_plain(path))
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(reference, f"it has no {name}", hint="get the model's files again") from None
    except OSError as error:
        hint = "check its permissions" if isinstance(error, PermissionError) else "get the file again"
        raise SourceError(reference, f"its {name} can't be read: {error.strerror}", hint=hint) from None
    except ValueError as error:
        raise SourceError(reference, f"its {name} can't be read: {error}", hint="get the file again") from None
    return document if isinstance(document, dict) else {}


def refuse_names(reference: str, names: list[str]) -> list[str]:
    """Let the names of a model's files through.

    Raises:
        SourceError: one could mean another file than one of the model's.
    """
    try:
        check_names(names)
    except UnsafeNameError as error:
        raise SourceError(reference, f"one of its files has an {error}", hint="rename the file, or leave it out") from None
    return names


def refuse_missing_adapter(reference: str, names: Collection[str], layout: Layout) -> None:
    """Stop at a LoRA whose file of weights isn't there.

    Raises:
        SourceError: it is one, and has no such file.
    """
    if layout.document is None and not names:
        [[wanted]] = layout.weights
        raise SourceError(reference, f"it has no {wanted}", hint="name its file of weights under `weights`")
