"""What a compiled graph takes, gives and expects to be bound to it.

Dtypes are written as torch names them, without the prefix: `float32`, `int64`.
"""

from __future__ import annotations

from dataclasses import dataclass

from neuronbuild.counts import counted


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a graph; `axes` names the axis of each dimension, or `None` where no axis decides it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str | None, ...]

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.axes):
            raise ValueError(
                f"{self.name}: {counted(len(self.shape), 'dimension')}, but {counted(len(self.axes), 'axis', 'axes')}"
            )


@dataclass(frozen=True, slots=True)
class ConstantSpec:
    """One constant of a graph whose weights travel apart.

    `tied` lists the model's other names for the same tensor: a checkpoint may hold it under any of them.
    `in_artifact` says that the value follows from the config alone (position tables and the like), is in no checkpoint,
    and lies beside the compiled file instead.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    tied: tuple[str, ...] = ()
    in_artifact: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs in the graph's order, and all constants to bind.

    `states` are tensors of a cache: they follow the inputs in every call, and the graph updates them in place.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    constants: tuple[ConstantSpec, ...] = ()
    states: tuple[TensorSpec, ...] = ()
