"""Rotary embeddings: up to which length a model's frequencies are constants, as every compiled graph needs them to be.

transformers chooses the frequencies of two types anew in each call, by the highest position in it
(`transformers.modeling_rope_utils.dynamic_rope_update`): `longrope` takes other factors beyond the original length, and
`dynamic` grows them beyond `max_position_embeddings`. Below that length neither changes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KNOWN = ("default", "linear", "dynamic", "yarn", "longrope", "llama3", "proportional")
"""Types of rotary embeddings that transformers knows: `ROPE_INIT_FUNCTIONS`, and the plain one."""

ORIGINAL, LENGTH = "original_max_position_embeddings", "max_position_embeddings"


def unknown_rotation(config: Mapping[str, object]) -> str | None:
    """The type of a model's rotary embeddings if it is none that is known."""
    return next((kind for kind in map(_kind, _rotations(config)) if kind not in KNOWN), None)


def fixed_length(config: Mapping[str, object]) -> int | None:
    """Tokens up to which all frequencies are constants, or `None` where they always are."""
    found = [_fixed(config, rotation) for rotation in _rotations(config)]
    lengths = [length for length in found if isinstance(length, int)]
    return min(lengths, default=None)


def _rotations(config: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """The parameters of every kind of layer: older configs have one mapping, newer ones may have one for each kind."""
    stated = config.get("rope_parameters") or config.get("rope_scaling")
    if not isinstance(stated, dict):
        return []
    nested = [part for part in stated.values() if isinstance(part, dict)]
    return nested or [stated]


def _kind(rotation: Mapping[str, object]) -> str:
    return str(rotation.get("rope_type") or rotation.get("type") or "default")


def _fixed(config: Mapping[str, object], rotation: Mapping[str, object]) -> object:
    """The config's own original length counts before that of the rotation, as in transformers."""
    kind = _kind(rotation)
    if kind == "longrope":
        return config.get(ORIGINAL) or rotation.get(ORIGINAL) or config.get(LENGTH)
    return config.get(LENGTH) if kind == "dynamic" else None
