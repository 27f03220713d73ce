"""Rows of tokens through a release's compiled shapes, and what comes out as the caller wants it.

Batches are those of sentence_transformers/sentence_transformer/model.py (version 6.2): where padding changes what a model says,
it says the same here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.utils import logging

from neuronbuild.errors import InputError, ShapeError
from neuronbuild.models.quantization import PRECISIONS, quantize
from neuronbuild.models.texts import characters
from neuronbuild.runtime.bucket import cover_rows
from neuronbuild.runtime.padding import ADVICE, CHANGES, pad_token
from neuronbuild.tasks.sentences import POOLING_MASK
from neuronbuild.tasks.table import MASK, SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from neuronbuild.artifact.shape import Shape
    from neuronbuild.runtime.reader import ReleaseFolder
    from neuronbuild.runtime.runner import Runner

SENTENCE, TOKENS, PROMPT_LENGTH = "sentence_embedding", "token_embeddings", "prompt_length"
VALUES = (SENTENCE, TOKENS, None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of texts: the value, its precision, and whether an array, a tensor or a list of tensors.

    `width` is how many numbers of an embedding are kept, counted as Python counts the end of a slice; `None` keeps them all.
    """

    value: str | None
    precision: str
    form: str
    normalize: bool
    width: int | None

    def __post_init__(self) -> None:
        """Stop at what nothing can be made of.

        Raises:
            InputError: the value or the precision isn't known, or the two don't go together.
        """
        if self.value not in VALUES:
            raise InputError(f"output_value {self.value!a:.80} isn't supported", hint=f"give one of {VALUES}")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision {self.precision!a:.80} isn't known", hint=f"give one of {', '.join(PRECISIONS)}")
        if self.value is None and self.precision != PRECISIONS[0]:
            raise InputError(f"precision {self.precision} is of embeddings, and output_value=None gives more than those")
        if self.width is not None and (isinstance(self.width, bool) or not isinstance(self.width, int)):
            raise InputError(f"truncate_dim {self.width!a:.80} is no whole number")


@dataclass(frozen=True, slots=True)
class Row:
    """One text: what the tokenizer made of it, and the tensors of shape (tokens,) that go into the graph."""

    features: Mapping[str, Any]
    inputs: Mapping[str, torch.Tensor]

    @property
    def length(self) -> int:
        """How many tokens it is run with."""
        return len(self.inputs["input_ids"])


@final
class Embedder:
    """A release that texts are run through; `leaves_prompts_out` says that tokens of prompts aren't pooled."""

    def __init__(self, release: ReleaseFolder, runner: Runner, *, leaves_prompts_out: bool) -> None:
        self._runner = runner
        self._shapes = [bucket.shape for bucket in release.buckets]
        self._pad_token = pad_token(release.folder)
        self._leaves_prompts_out = leaves_prompts_out
        self._padding_matters = release.index.padding_matters

    def batches(self, texts: Sequence[Any], size: object) -> list[list[int]]:
        """Places of texts that are padded together: the longest first.

        Raises:
            InputError: the size is no number above zero.
        """
        if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
            raise InputError(f"batch_size must be a whole number above zero, not {size!a:.80}")
        order = np.argsort([-characters(text) for text in texts]).tolist()
        return [order[start : start + size] for start in range(0, len(order), size)]

    def embed(self, batches: Sequence[Sequence[int]], read: Iterable[Mapping[str, Any]], wanted: Wanted, *, show: bool) -> Any:  # noqa: ANN401 (arrays, tensors, lists and dicts)
        """What is wanted of every text, in the order of the texts; `read` are the tokens of each batch.

        Raises:
            ShapeError: a text has more tokens than any compiled shape, or would be padded where that changes its embedding:
                nothing is computed then.
        """
        whole = wanted.value is None or self._padding_matters
        rows = [row for features in read for row in self._rows(features, whole=whole)]
        outputs = self._run(rows, (TOKENS, SENTENCE) if wanted.value is None else (wanted.value,), show=show)
        places = itertools.chain.from_iterable(batches)
        made = [_value(row, output, wanted) for row, output in zip(rows, outputs, strict=True)]
        by_place = dict(zip(places, made, strict=True))
        return _formed([by_place[place] for place in sorted(by_place)], wanted)

    def _rows(self, features: Mapping[str, Any], *, whole: bool) -> Iterable[Row]:
        """The texts of a batch without the padding behind them, which no result depends on; `whole` keeps it."""
        named = {name: value for name, value in features.items() if isinstance(value, torch.Tensor)}
        said = {name: value for name, value in features.items() if name not in named}
        for index in range(len(named["input_ids"])):
            given = {name: tensor[index] for name, tensor in named.items()}
            mask = given.get(MASK)
            end = None if whole or mask is None or not mask.any() else int(mask.nonzero().max()) + 1
            inputs = {name: tensor[:end] for name, tensor in given.items()}
            if self._leaves_prompts_out and mask is not None:
                inputs[POOLING_MASK] = _without_prompt(mask, said.get(PROMPT_LENGTH, 0))[:end]
            yield Row({**given, **said}, inputs)

    def _run(self, rows: Sequence[Row], names: Sequence[str], *, show: bool) -> list[dict[str, torch.Tensor]]:
        """Outputs of each row, by name: rows of like length together, in the cheapest shapes."""
        order = sorted(range(len(rows)), key=lambda place: -rows[place].length)
        sizes = self._sizes([rows[place].length for place in order])
        made: dict[int, dict[str, torch.Tensor]] = {}
        start = 0
        for size in logging.tqdm(sizes, desc="Batches", disable=not show):
            places = order[start : start + size]
            start += size
            said = self._runner.run(self._padded([rows[place].inputs for place in places]))
            for index, place in enumerate(places):
                cut = {name: said[name][index] for name in names}
                made[place] = {name: each[: rows[place].length] if name == TOKENS else each for name, each in cut.items()}
        return [made[place] for place in range(len(rows))]

    def _sizes(self, lengths: Sequence[int]) -> list[int]:
        """How many rows to run at a time, by lengths from the longest: of just a compiled one where padding matters."""
        self._refuse_long(lengths[0] if lengths else 0)
        if not self._padding_matters:
            return cover_rows(lengths, self._shapes)
        groups = [(length, list(group)) for length, group in itertools.groupby(lengths)]
        return [size for length, group in groups for size in cover_rows(group, self._shapes_of(length))]

    def _shapes_of(self, length: int) -> list[Shape]:
        """Those that rows of a length fill."""
        found = [shape for shape in self._shapes if shape.as_dict()[SEQUENCE] == length]
        if not found:
            raise ShapeError(f"{SEQUENCE}={length}", [str(shape) for shape in self._shapes], hint=f"{CHANGES}: {ADVICE}")
        return found

    def _padded(self, inputs: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Tensors (rows, tokens), padded behind to the longest."""
        return {
            name: pad_sequence(
                [each[name] for each in inputs],
                batch_first=True,
                padding_value=self._pad_token if name == "input_ids" else 0,
            )
            for name in inputs[0]
        }

    def _refuse_long(self, length: int) -> None:
        longest = max(shape.as_dict()[SEQUENCE] for shape in self._shapes)
        if length > longest:
            hint = f"set max_seq_length = {longest} on the model to have texts cut, or compile a longer sequence_length"
            raise ShapeError(f"{SEQUENCE}={length}", [str(shape) for shape in self._shapes], hint=hint)


def _without_prompt(mask: torch.Tensor, length: int) -> torch.Tensor:
    """A mask (tokens,) without the first tokens that aren't padding."""
    kept = mask.clone()
    kept[: int(mask.argmax()) + length] = 0
    return kept if length else mask


def _value(row: Row, output: Mapping[str, torch.Tensor], wanted: Wanted) -> Any:  # noqa: ANN401 (a tensor, or a dict)
    if wanted.value == TOKENS:
        seen = row.features[MASK].nonzero() if MASK in row.features else row.inputs["input_ids"].new_tensor([row.length - 1])
        return output[TOKENS][: int(seen.max()) + 1 if len(seen) else 1]
    sentence = output[SENTENCE][: wanted.width]
    if wanted.value is None:
        return {**row.features, TOKENS: output[TOKENS], SENTENCE: sentence}
    return torch.nn.functional.normalize(sentence, p=2, dim=-1) if wanted.normalize else sentence


def _formed(values: list[Any], wanted: Wanted) -> Any:  # noqa: ANN401 (arrays, tensors, lists and dicts)
    if wanted.value != SENTENCE:
        narrow = values and wanted.precision != PRECISIONS[0]
        return quantize([_array(value) for value in values], wanted.precision) if narrow else values
    if not values:
        return {"tensor": torch.tensor([]), "array": np.array([]), "list": []}[wanted.form]
    made: Any = torch.stack(values)
    if wanted.precision != PRECISIONS[0]:
        made = torch.from_numpy(quantize([_array(made)], wanted.precision)[0])
    if wanted.form == "list":
        return list(made)
    return _array(made) if wanted.form == "array" else made


def _array(tensor: torch.Tensor) -> np.ndarray:
    """An array; numpy has no bfloat16."""
    array: np.ndarray = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array
