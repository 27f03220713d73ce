"""Where compiled files lie in a release: as optimum-neuron's loader wants them, wherever it can load them at all.

It takes the one `*.neuron` that it finds, in any folder of a repository, and one folder of it is a repository to it as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.tasks.loaders import INF1, VERSION, Compiled, refusal, remarks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neuronbuild.artifact.action import CompileAction
    from neuronbuild.artifact.manifest import Manifest

TRACED = "model.neuron"
OTHER = "model.traced"
"""The name of every traced file but the one that optimum-neuron may load."""

EXPORTED = "exported/"
"""What paths begin with of a folder that optimum-neuron wrote: it stays as it is, and stands at the top."""

EACH = "optimum"
"""`release.layout` of a recipe: every shape is a folder that optimum-neuron loads by itself."""

OLD = f"optimum-neuron {VERSION} loads nothing that was compiled for inf1: use neuronbuild."


@dataclass(frozen=True, slots=True)
class Layout:
    """`root` is the artifact whose file stands at the top, if one does; `notes` are sentences for the card.

    `exported` says that another tool wrote the folder, parts and their configs included. `each` says that every artifact has
    a folder with all that a loader wants.
    """

    root: Manifest | None
    notes: tuple[str, ...] = ()
    exported: bool = False
    each: bool = False

    def takes(self, path: str) -> bool:
        """Whether a small file of the model goes into the release: not a part's config, which goes with a part's weights."""
        return not (self.exported and path.endswith("/config.json"))

    def place(self, manifest: Manifest, path: str, folder: str) -> str:
        """The path in the release of a file of an artifact, whose own folder is `folder`."""
        if path.startswith(EXPORTED):
            return path.removeprefix(EXPORTED)
        if path != TRACED or self.each:
            return f"{folder}/{path}"
        return TRACED if self.root is not None and manifest.key == self.root.key else f"{folder}/{OTHER}"


def lay_out(manifests: Sequence[Manifest], wanted: str = "") -> Layout:
    """The layout of a release of these artifacts: the largest shape at the top, which every input fits, or a folder each."""
    said = tuple(dict.fromkeys(note for manifest in manifests for note in manifest.notes))
    traced = [manifest for manifest in manifests if manifest.file(TRACED) is not None]
    if not traced:
        return Layout(None, said, any(entry.path.startswith(EXPORTED) for each in manifests for entry in each.files))
    compiled = compiled_by([manifest.compiled for manifest in traced])
    refused = refusal(compiled)
    if refused is not None:
        return Layout(None, (*said, refused))
    root = max(traced, key=_size)
    if compiled.toolchain == INF1:
        return Layout(root, (*said, OLD))
    if wanted == EACH:
        return Layout(None, (*said, _told(compiled, "path/to/this/folder/buckets/…", EVERY), *remarks(compiled)), each=True)
    return Layout(
        root, (*said, _told(compiled, "path/to/this/folder", "" if len(traced) == 1 else LARGEST), *remarks(compiled))
    )


EVERY = (
    " Every shape is a folder of its own, as the table says; of a repository on the Hub, its name is given as `subfolder`, and "
    "neuronbuild loads all of them together."
)
LARGEST = " That is the largest shape; with `release: {layout: optimum}` in the recipe every shape is a folder that it loads."


def compiled_by(actions: Sequence[CompileAction]) -> Compiled:
    """What some actions of one release make, as the facts about optimum-neuron's loader ask it."""
    first = actions[0]
    return Compiled(
        task=first.task,
        model_type=first.model.model_type,
        toolchain=first.toolchain.name,
        separate=first.is_separate,
        graphs=frozenset(action.graph for action in actions),
        inputs=frozenset(each.name for each in first.inputs),
        config=first.model.config,
        shapes=tuple(action.shape for action in actions),
    )


def _told(compiled: Compiled, path: str, more: str) -> str:
    """How optimum-neuron loads it."""
    name = compiled.loader.name if compiled.loader else ""
    return f'optimum-neuron {VERSION} loads it as well: `optimum.neuron.{name}.from_pretrained("{path}")`.{more}'


def _size(manifest: Manifest) -> int:
    return math.prod(manifest.compiled.shape.values())
