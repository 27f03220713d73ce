"""Models with an encoder and a decoder, as far as they are tensors: an input read whole, then tokens one by one.

Knows nothing of how a next token is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch

from neuronbuild.errors import ShapeError
from neuronbuild.runtime.decoder import Conversation, cheapest, own_or_last
from neuronbuild.runtime.inputs import complete_inputs
from neuronbuild.runtime.padding import cut_output, pad_input
from neuronbuild.runtime.states import States
from neuronbuild.tasks import BATCH, all_sizes
from neuronbuild.tasks.table import DECODER_GRAPH, ENCODER_GRAPH, MASK, ROWS, SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuronbuild.runtime.reader import CompiledShape
    from neuronbuild.runtime.sessions import Sessions

CROSS = "cross."
"""How the names of what cross attention reads begin."""


def encode(
    sessions: Sessions, buckets: Sequence[CompiledShape], given: Mapping[str, object], pad_token: int
) -> dict[str, torch.Tensor]:
    """Outputs of the encoder graph by name, a row an input, of the compiled length; and the mask of that length.

    Any number of inputs is read, in groups of the compiled batch.

    Raises:
        InputError: inputs are missing, unknown or of the wrong kind.
        ShapeError: they are longer than every compiled shape.
    """
    first = next(bucket for bucket in buckets if bucket.graph == ENCODER_GRAPH)
    inputs, sizes = complete_inputs(given, first.signature.inputs, first.limits)
    index = cheapest(buckets, ENCODER_GRAPH, {axis: size for axis, size in sizes.items() if axis != BATCH})
    if index is None:
        compiled = [str(bucket.shape) for bucket in buckets if bucket.graph == ENCODER_GRAPH]
        given_sizes = ", ".join(f"{axis}={size}" for axis, size in sizes.items())
        raise ShapeError(
            given_sizes, compiled, hint="truncate the input (tokenizer: truncation=True), or compile a larger shape"
        )
    specs = buckets[index].signature.inputs
    step, parts = buckets[index].shape.as_dict()[BATCH], []
    for start in range(0, sizes[BATCH], step):
        rows = [tensor[start : start + step] for tensor in inputs]
        padded = [pad_input(tensor, spec, pad_token) for tensor, spec in zip(rows, specs, strict=True)]
        outputs = dict(zip(buckets[index].signature.outputs, sessions.get(index).run(padded), strict=True))
        made = {
            spec.name: cut_output(tensor, spec, _rows_only(spec.axes, spec.shape, len(rows[0])))
            for spec, tensor in outputs.items()
        }
        masks = {spec.name: tensor[: len(rows[0])] for spec, tensor in zip(specs, padded, strict=True) if spec.name == MASK}
        parts.append(made | masks)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _rows_only(axes: Sequence[str | None], shape: Sequence[int], rows: int) -> dict[str, int]:
    return {axis: rows if axis == BATCH else size for axis, size in zip(axes, shape, strict=True) if axis is not None}


@final
class Answer(Conversation):
    """What a decoder says to inputs that were encoded: up to `rows` sequences of up to `slots` tokens."""

    def __init__(
        self, sessions: Sessions, buckets: Sequence[CompiledShape], decoder: int, encoded: Mapping[str, torch.Tensor]
    ) -> None:
        sizes, signature = all_sizes(buckets[decoder].shape.as_dict()), buckets[decoder].signature
        super().__init__(sizes[ROWS], sizes[SEQUENCE], States.blank(signature))
        self._session = sessions.get(decoder)
        for spec, state in zip(signature.states, self._states.tensors(), strict=True):
            if spec.name.startswith(CROSS):
                _fill(state, encoded[spec.name])
        self._masks = [_masked(spec.shape, encoded[MASK]) for spec in signature.inputs if spec.name == MASK]
        self._mine = [index for index, spec in enumerate(signature.states) if not spec.name.startswith(CROSS)]

    def read(self, ids: torch.Tensor) -> torch.Tensor:
        """Read tokens (n, count), and give the scores (n, count, vocabulary) of what may follow each."""
        rows = own_or_last(self.rows, len(ids))
        scores = []
        for column in ids.unbind(1):
            given = [column[rows][:, None].contiguous(), *self._masks, torch.tensor([self.length])]
            scores.append(self._states.run(self._session, given)[0][: len(ids)])
            self.length += 1
        return torch.stack(scores, 1)

    def reorder(self, rows: torch.Tensor) -> None:
        """Have each row continue what another row of the same input has said so far."""
        self._reorder(rows, self._mine)


def open_answer(
    sessions: Sessions, buckets: Sequence[CompiledShape], encoded: Mapping[str, torch.Tensor], slots: int
) -> Answer:
    """An empty cache in the cheapest bucket for as many rows as were encoded, and tokens a row.

    Raises:
        ShapeError: none is large enough.
    """
    length = encoded[MASK].shape[1] if MASK in encoded else 0
    return Answer(sessions, buckets, find_room(buckets, len(encoded["last_hidden_state"]), slots, length), encoded)


def find_room(buckets: Sequence[CompiledShape], rows: int, slots: int, length: int = 0) -> int:
    """Index of the cheapest bucket for so many answers of so many tokens each, to inputs of a length.

    Raises:
        ShapeError: none is large enough.
    """
    index = cheapest(buckets, DECODER_GRAPH, {ROWS: rows, SEQUENCE: max(slots, length)})
    if index is None:
        compiled = [str(bucket.shape) for bucket in buckets if bucket.graph == DECODER_GRAPH]
        hint = "ask for fewer new tokens or sequences (beams count), or compile a larger shape"
        raise ShapeError(f"{rows} sequences of {slots} new tokens", compiled, hint=hint)
    return index


def _fill(state: torch.Tensor, value: torch.Tensor) -> None:
    state[:, :, : value.shape[2]] = value[own_or_last(len(state), len(value))]


def _masked(shape: Sequence[int], mask: torch.Tensor) -> torch.Tensor:
    whole = torch.zeros(tuple(shape), dtype=torch.int64)
    whole[:, : mask.shape[1]] = mask[own_or_last(shape[0], len(mask))]
    return whole
