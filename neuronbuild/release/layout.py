"""Where compiled files lie in a release: as optimum-neuron's loader wants them, wherever it can load them at all.

It takes the one `*.neuron` that it finds, in any folder of a repository, and binds no weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.tasks.sentences import POOLING_MASK
from neuronbuild.tasks.table import FORWARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neuronbuild.artifact.manifest import Manifest

TRACED = "model.neuron"
OTHER = "model.traced"
"""The name of every traced file but the one that optimum-neuron may load."""

EXPORTED = "exported/"
"""What paths begin with of a folder that optimum-neuron wrote: it stays as it is, and stands at the top."""

REFUSED = (
    "Its weights lie apart from the compiled graph. optimum-neuron binds none, and finds nothing here that it could load: "
    "use neuronbuild."
)

PROMPTS = (
    "Its graph is told which tokens are those of a prompt, so that they aren't pooled. optimum-neuron tells no graph that, and "
    "finds nothing here that it could load: use neuronbuild."
)


@dataclass(frozen=True, slots=True)
class Layout:
    """`root` is the artifact whose file stands at the top, if one does; `notes` are sentences for the card.

    `exported` says that another tool wrote the folder, parts and their configs included.
    """

    root: Manifest | None
    notes: tuple[str, ...] = ()
    exported: bool = False

    def takes(self, path: str) -> bool:
        """Whether a small file of the model goes into the release: not a part's config, which goes with a part's weights."""
        return not (self.exported and path.endswith("/config.json"))

    def place(self, manifest: Manifest, path: str, folder: str) -> str:
        """The path in the release of a file of an artifact, whose own folder is `folder`."""
        if path.startswith(EXPORTED):
            return path.removeprefix(EXPORTED)
        if path != TRACED:
            return f"{folder}/{path}"
        return TRACED if self.root is not None and manifest.key == self.root.key else f"{folder}/{OTHER}"


def lay_out(manifests: Sequence[Manifest]) -> Layout:
    """The layout of a release of these artifacts: the largest shape at the top, which every input fits."""
    said = tuple(dict.fromkeys(note for manifest in manifests for note in manifest.notes))
    traced = [manifest for manifest in manifests if manifest.file(TRACED) is not None]
    if not traced:
        return Layout(None, said, any(entry.path.startswith(EXPORTED) for each in manifests for entry in each.files))
    if traced[0].action["weights"] == "separate":
        return Layout(None, (*said, REFUSED))
    if any(spec.name == POOLING_MASK for each in traced if each.signature for spec in each.signature.inputs):
        return Layout(None, (*said, PROMPTS))
    if any(manifest.action["graph"] != FORWARD for manifest in traced):
        return Layout(None, said)
    return Layout(max(traced, key=_size), said)


def _size(manifest: Manifest) -> int:
    shape = manifest.action["shape"]
    return math.prod(shape.values()) if isinstance(shape, dict) else 0
