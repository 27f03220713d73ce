"""One point to compile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True)
class Target:
    """Model, task, graph, shape and options: what to compile, in the recipe's words."""

    recipe: str
    model: str
    task: str
    graph: str
    shape: Shape
    options: Options
