"""Where the files of a sentence-transformers model lie: `modules.json` names the folder of each module.

The transformer's folder is taken for the model's own, whatever its name: its files stand at the root of the snapshot, as those
of any model. All others stay where they are.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neuronbuild.errors import SourceError
from neuronbuild.files import UnsafeNameError, check_name, parse_json
from neuronbuild.source.files import SENTENCES, TRANSFORMERS, Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHARED = ("modules.json", "config_sentence_transformers.json", "LICENSE", "NOTICE")
"""What names of files at the root begin with that say something of the whole model."""

WEIGHTY = ("Dense", "LayerNorm")
"""Modules that have weights of their own."""

OF_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class Placing:
    """`root` is the folder of the model's own files, empty where that is the whole; `layout` is how they are selected."""

    layout: Layout
    root: str = ""

    def places(self, reference: str, paths: Iterable[str]) -> dict[str, str]:
        """Paths as they are, by the paths that they have in the snapshot.

        Raises:
            SourceError: there is another model at the root.
        """
        names = sorted(_without_doubles({*paths}))
        if not self.root:
            return {name: name for name in names}
        prefix = f"{self.root}/"
        if TRANSFORMERS.document in names:
            problem = f"it holds two models: {TRANSFORMERS.document}, and {prefix}{TRANSFORMERS.document} by its modules.json"
            raise SourceError(reference, problem, hint="leave one of them")
        others = {name: name for name in names if name.startswith(SHARED) or ("/" in name and not name.startswith(prefix))}
        return {name.removeprefix(prefix): name for name in names if name.startswith(prefix)} | others


def _without_doubles(paths: set[str]) -> set[str]:
    """Paths without the pickled weights of modules that have others."""
    plain, pickled = OF_WEIGHTS
    folders = {path.removesuffix(plain) for path in paths if path.endswith(f"/{plain}")}
    return paths - {f"{folder}{pickled}" for folder in folders}


def place_model(reference: str, layout: Layout, read: Callable[[str], bytes]) -> Placing:
    """The placing of a model that was found in a layout; `read` gives the bytes of one of its files.

    A `modules.json` that lists no modules says nothing of folders; planning tells what is wrong with it.

    Raises:
        SourceError: `modules.json` names something that is no folder of the model.
    """
    if layout is not SENTENCES:
        return Placing(layout)
    try:
        listed: Any = parse_json(read(str(layout.document)))
        entries = [(str(entry["type"]), str(entry["path"]).rstrip("/")) for entry in listed]
    except (OSError, ValueError, KeyError, TypeError):
        return Placing(TRANSFORMERS)
    for _, path in entries:
        if not _is_folder(path):
            raise SourceError(reference, f"its modules.json names {path!a:.80}, which is no folder in it", hint="correct it")
    root = next((path for kind, path in entries if kind.endswith(".Transformer")), "")
    named = [
        f"{glob.escape(path)}/{file}"
        for kind, path in entries
        if path and path != root
        for file in ("config.json", *(OF_WEIGHTS if kind.rpartition(".")[2] in WEIGHTY else ()))
    ]
    return Placing(replace(TRANSFORMERS, plain=(*TRANSFORMERS.plain, *named)), root)


def _is_folder(path: str) -> bool:
    """Whether that can be a folder at the top of a model; nothing is the model itself."""
    try:
        return not path or "/" not in check_name(path)
    except UnsafeNameError:
        return False
