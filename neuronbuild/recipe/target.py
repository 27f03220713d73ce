"""One point to compile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.platforms import PLATFORMS

if TYPE_CHECKING:
    from neuronbuild.artifact.shape import Shape


@dataclass(frozen=True, slots=True)
class Options:
    """What a recipe asks of the compiler, for one platform, every default written out."""

    platform: str
    auto_cast: str
    auto_cast_type: str
    optlevel: int
    extra_args: tuple[str, ...]
    weights: str
    dtype: str
    num_cores: int
    dynamic_batch_size: bool
    delegated: bool = False
    loading: tuple[str, ...] = ()

    @property
    def exported(self) -> bool:
        """Whether another tool exports the whole model: it has what shards one over several cores, too."""
        return bool(PLATFORMS[self.platform].exporter) and (self.delegated or self.num_cores > 1)

    @property
    def toolchain(self) -> str:
        """What compiles it."""
        row = PLATFORMS[self.platform]
        return row.exporter if self.exported else row.toolchain


@dataclass(frozen=True, slots=True)
class Target:
    """Model, task, graph, shape and options: what to compile, in the recipe's words."""

    recipe: str
    model: str
    task: str
    graph: str
    shape: Shape
    options: Options

    def __str__(self) -> str:
        """What tells it from the others of a plan: recipe, graph, platform and shape."""
        return f"{self.recipe} {self.graph} on {self.options.platform} ({self.shape})"

    def as_json(self) -> dict[str, object]:
        """As `--json` names it in every command."""
        return {
            "recipe": self.recipe,
            "model": self.model,
            "task": self.task,
            "platform": self.options.platform,
            "graph": self.graph,
            "shape": self.shape.as_dict(),
        }

    @property
    def model_name(self) -> str:
        """What the model is called where others read it: of a path, the last part alone."""
        if self.model.startswith((".", "/", "~")):
            return self.model.rstrip("/").rpartition("/")[2] or self.model
        return self.model
