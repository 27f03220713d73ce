"""The models that a recipe names: the one that it builds, and those that are put into it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.source.files import MODELS, NETWORK, Layout, adapter
from neuronbuild.source.resolve import is_folder_reference
from neuronbuild.tasks.pipelines import adapter_folder, controlnet_folder

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.recipe.located import Located
    from neuronbuild.recipe.yaml_tree import Keys


@dataclass(frozen=True, slots=True)
class Wanted:
    """One model as a recipe names it, and the keys that do. `base` is where a relative path counts from.

    `file` is the one file that is wanted of it, where that isn't all of it.
    """

    reference: str
    revision: str | None
    base: Path
    layouts: tuple[Layout, ...] = MODELS
    trusted: bool = False
    file: str = ""
    keys: Keys = ("model",)

    @property
    def name(self) -> str:
        """What messages and locks call it."""
        return f"{self.reference}/{self.file}" if self.file else self.reference

    def locked_as(self, root: Path) -> tuple[str, str | None, str]:
        """What it is called in a lock of a folder: a path has a meaning only together with the recipe's folder."""
        folder = os.path.relpath(self.base, root) if is_folder_reference(self.reference) else ""
        return self.name, self.revision, folder


def wanted_of(located: Located) -> dict[str, Wanted]:
    """The models of a recipe by the folder of the first one that they go into; its own under no name."""
    recipe, base = located.recipe, located.path.parent
    wanted = {"": Wanted(recipe.model, recipe.revision, base, trusted=recipe.trust_remote_code)}
    for index, lora in enumerate(recipe.lora):
        layouts, keys = (adapter(lora.weights),), ("lora", index)
        wanted[adapter_folder(index)] = Wanted(lora.model, lora.revision, base, layouts, file=lora.weights, keys=keys)
    for index, net in enumerate(recipe.controlnet):
        wanted[controlnet_folder(index)] = Wanted(net.model, net.revision, base, (NETWORK,), keys=("controlnet", index))
    return wanted
