"""What came of lowering one action's graph, without a compiler: the record that is remembered by the action's key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lowering:
    """Problems, each a sentence for people; none means that the graph lowers and answers as eager PyTorch does.

    `notes` are no faults, but worth knowing. `operators` counts the module's operators by their HLO name. Sizes are in bytes:
    of the HLO module, of the weights in the graph, and of the cache that it updates. `difference` is the largest from eager
    PyTorch on other inputs than the traced ones, relative to the largest value; `None` where it wasn't run.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    operators: Mapping[str, int] = field(default_factory=dict)
    hlo_digest: str = ""
    hlo_bytes: int = 0
    parameters: int = 0
    weight_bytes: int = 0
    cache_bytes: int = 0
    difference: float | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
