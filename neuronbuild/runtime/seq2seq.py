"""Models with an encoder and a decoder, as far as they are tensors: an input read whole, then tokens one by one.

Knows nothing of how a next token is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch

from neuronbuild.counts import counted
from neuronbuild.errors import InputError, ShapeError
from neuronbuild.runtime.conversation import Conversation, cheapest, first_of_equals, own_or_last
from neuronbuild.runtime.inputs import complete_inputs
from neuronbuild.runtime.padding import cut_output, pad_input
from neuronbuild.tasks import BATCH
from neuronbuild.tasks.table import DECODER_GRAPH, ENCODER_GRAPH, MASK, ROWS, SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neuronbuild.artifact.signature import TensorSpec
    from neuronbuild.runtime.reader import CompiledShape
    from neuronbuild.runtime.sessions import Sessions

CROSS = "cross."
"""How the names of what cross attention reads begin."""

HIDDEN = "last_hidden_state"
OWN_ENCODER = "give what get_encoder() of this very model gave, or leave encoder_outputs out"


def encode(
    sessions: Sessions, buckets: Sequence[CompiledShape], given: Mapping[str, object], pad_token: int
) -> dict[str, torch.Tensor]:
    """Outputs of the encoder graph by name, a row an input: hidden states of the inputs' length, the others of the compiled.

    Any number of inputs is read, in groups of the compiled batch.

    Raises:
        InputError: inputs are missing, unknown or of the wrong kind.
        ShapeError: they are longer than every compiled shape.
    """
    first = next(bucket for bucket in buckets if bucket.graph == ENCODER_GRAPH)
    inputs, sizes = complete_inputs(given, first.signature.inputs, first.known)
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
        parts.append({spec.name: _cut(tensor, spec, {**sizes, BATCH: len(rows[0])}) for spec, tensor in outputs.items()})
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _cut(tensor: torch.Tensor, spec: TensorSpec, sizes: Mapping[str, int]) -> torch.Tensor:
    """Hidden states are cut to the inputs' length; what the decoder reads of them is cut there, to its own compiled length."""
    compiled = {axis: size for axis, size in zip(spec.axes, spec.shape, strict=True) if axis is not None}
    return cut_output(tensor, spec, {**compiled, **(sizes if spec.name == HIDDEN else {BATCH: sizes[BATCH]})})


@final
class Answer(Conversation):
    """What a decoder says to inputs that were encoded, `source` tokens (or frames) each: a sequence an input."""

    def __init__(
        self, sessions: Sessions, buckets: Sequence[CompiledShape], decoder: int, encoded: Mapping[str, torch.Tensor]
    ) -> None:
        super().__init__(sessions, buckets, decoder, len(encoded[HIDDEN]))
        signature = buckets[decoder].signature
        self.source = encoded[HIDDEN].shape[1]
        self._decoder = decoder
        self._mask_shape = next((spec.shape for spec in signature.inputs if spec.name == MASK), None)
        self._cross = [index for index, spec in enumerate(signature.states) if spec.name.startswith(CROSS)]
        self._own = [index for index, spec in enumerate(signature.states) if not spec.name.startswith(CROSS)]
        for spec, state in zip(signature.states, self._states.tensors(), strict=True):
            if spec.name.startswith(CROSS):
                _fill(spec.name, state, encoded)
        self._inputs = torch.tensor(first_of_equals(encoded[HIDDEN]))

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Read tokens into the cache, and give the scores (count, tokens, vocabulary) of what may follow each.

        Args:
            ids: int64 of shape (count, tokens).
            mask: int64 of shape (count, source): ones for what may be looked at of the inputs.

        Raises:
            InputError: these are of another number of sequences, or of a longer input, than the cache.
            ShapeError: the cache has no room for them.
        """
        self._refuse_overflow(ids)
        if tuple(mask.shape) != (self.count, self.source):
            raise InputError(f"attention_mask has shape {list(mask.shape)}; the inputs have {[self.count, self.source]}")
        rows = own_or_last(self.rows, self.count)
        masks = [] if self._mask_shape is None else [_wide(mask[rows], self._mask_shape)]
        scores = []
        for column in ids.unbind(1):
            given = [column[rows][:, None].contiguous(), *masks, torch.tensor([self.length])]
            scores.append(self._states.run(self.sessions.get(self._decoder), given)[0][: self.count])
            self.length += 1
        return torch.stack(scores, 1)

    def reorder(self, order: torch.Tensor) -> None:
        """Have each sequence continue the one that `order` names for it, and read the input of that one."""
        order = self._checked_order(order, self.count)
        whole = self._move(order, self._own)
        if not torch.equal(self._inputs[order], self._inputs):
            tensors = self._states.tensors()
            for index in self._cross:
                tensors[index][:] = tensors[index][whole]
            self._inputs = self._inputs[order]

    def derive(self, order: torch.Tensor, slots: int) -> Answer:
        """A cache apart with room for so many slots, whose sequences continue those that `order` names."""
        order = self._checked_order(order)
        tensors, names = self._states.tensors(), [spec.name for spec in self.buckets[self._decoder].signature.states]
        encoded = {names[index]: tensors[index][order] for index in self._cross}
        encoded[HIDDEN] = self._inputs[order][:, None].expand(-1, self.source)  # of it, only what tells inputs apart is used
        made = open_answer(self.sessions, self.buckets, encoded, slots)
        rows = order[own_or_last(made.rows, len(order))]
        for index in self._own:
            made._states.tensors()[index][:, :, : self.length] = tensors[index][rows, :, : self.length]  # noqa: SLF001 (its own kind)
        made.length = self.length
        return made

    def export(self) -> dict[str, torch.Tensor]:
        """Keys and values by name (`self.0.keys`, `cross.0.values`), each (count, heads, tokens, head size)."""
        specs, ends = self.buckets[self._decoder].signature.states, {True: self.source, False: self.length}
        return {
            spec.name: state[: self.count, :, : ends[spec.name.startswith(CROSS)]].clone()
            for spec, state in zip(specs, self._states.tensors(), strict=True)
        }


def open_answer(
    sessions: Sessions, buckets: Sequence[CompiledShape], encoded: Mapping[str, torch.Tensor], slots: int
) -> Answer:
    """An empty cache in the cheapest bucket for as many rows as were encoded, and tokens a row.

    Raises:
        InputError: `encoded` isn't what this model's encoder gave.
        ShapeError: none is large enough.
    """
    if not isinstance(encoded.get(HIDDEN), torch.Tensor):
        raise InputError(f"encoder_outputs hold no {HIDDEN}", hint=OWN_ENCODER)
    rows, source = encoded[HIDDEN].shape[:2]
    masked = any(spec.name == MASK for bucket in buckets if bucket.graph == DECODER_GRAPH for spec in bucket.signature.inputs)
    return Answer(sessions, buckets, find_room(buckets, rows, slots, source if masked else 0), encoded)


def find_room(buckets: Sequence[CompiledShape], rows: int, slots: int, length: int = 0) -> int:
    """Index of the cheapest bucket for so many answers of so many tokens each, to inputs of a length.

    Raises:
        ShapeError: none is large enough.
    """
    index = cheapest(buckets, DECODER_GRAPH, {ROWS: rows, SEQUENCE: max(slots, length)})
    if index is None:
        compiled = [str(bucket.shape) for bucket in buckets if bucket.graph == DECODER_GRAPH]
        hint = "ask for fewer new tokens or sequences (beams count), or compile a larger shape"
        raise ShapeError(f"{counted(rows, 'sequence')} of {counted(slots, 'new token')}", compiled, hint=hint)
    return index


def _fill(name: str, state: torch.Tensor, encoded: Mapping[str, torch.Tensor]) -> None:
    """Copy what cross attention reads of each input into its row, as far as the inputs go."""
    value, (rows, source) = encoded.get(name), encoded[HIDDEN].shape[:2]
    if not isinstance(value, torch.Tensor) or value.dim() != state.dim() or value.dtype != state.dtype:
        raise InputError(f"encoder_outputs hold no {name} of this model's decoder", hint=OWN_ENCODER)
    if len(value) != rows or value.shape[2] < source or (value.shape[1], value.shape[3]) != (state.shape[1], state.shape[3]):
        raise InputError(f"encoder_outputs hold {name} of shape {list(value.shape)}, for another model", hint=OWN_ENCODER)
    state[:, :, :source] = value[own_or_last(len(state), rows), :, :source]


def _wide(mask: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    whole = torch.zeros(tuple(shape), dtype=torch.int64)
    whole[:, : mask.shape[1]] = mask
    return whole
