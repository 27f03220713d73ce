"""Answers of question answering: the likeliest words of a context, read in windows where it is long.

As transformers' pipeline did it, up to its version 4; its pipeline for documents still chooses so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers.pipelines.document_question_answering import select_starts_ends

from neuronbuild.counts import counted
from neuronbuild.errors import ShapeError, UsageError
from neuronbuild.models.checked import listed

if TYPE_CHECKING:
    from transformers import BatchEncoding

    from neuronbuild.models.base import ForwardModel

OVERLAP = 128
"""Tokens that a window has in common with the one before, at most."""

CONTEXT = 1
"""Of the two texts that are read together, the one that answers are taken from."""


def best_answer(model: ForwardModel, question: str, context: str) -> str:
    """The part of the context, in whole words, that answers the question with the highest probability.

    Raises:
        ShapeError: the question leaves no room for the context in any compiled shape.
        UsageError: the context is empty, or the tokenizer doesn't tell where its tokens stand.
    """
    if not context.strip():
        raise UsageError("the context is empty")
    windows = _windows(model, question, context)
    found = [(*_best_span(model, windows, number), number) for number in range(len(windows["input_ids"]))]
    _, start, end, number = max(found, key=lambda each: each[0])
    first, last = (windows.token_to_word(number, position) for position in (start, end))
    begin, stop = windows.word_to_chars(number, first, CONTEXT).start, windows.word_to_chars(number, last, CONTEXT).end
    return context[begin:stop]


def _windows(model: ForwardModel, question: str, context: str) -> BatchEncoding:
    """Question and context together as tokens; several times with parts of the context, where it is too long for once."""
    tokenizer = model.tokenizer
    if not tokenizer.is_fast:
        raise UsageError("answers need a tokenizer that tells where tokens stand, a fast one", hint="add a tokenizer.json")
    longest = min(model.longest, tokenizer.model_max_length)
    asked = tokenizer(question, add_special_tokens=False)["input_ids"]
    room = longest - len(asked) - tokenizer.num_special_tokens_to_add(pair=True)
    if room < 1:
        raise ShapeError(f"a question of {counted(len(asked), 'token')}", listed(model), hint="shorten it")
    stride = min(OVERLAP, longest // 2, room // 2)
    options = {"truncation": "only_second", "max_length": longest, "stride": stride, "return_overflowing_tokens": True}
    encoded: BatchEncoding = tokenizer(question, context, **options)
    return encoded


def _best_span(model: ForwardModel, windows: BatchEncoding, number: int) -> tuple[float, int, int]:
    """The likeliest span of one window: its probability, its first and its last token."""
    names = model.tokenizer.model_input_names
    inputs: dict[str, Any] = {name: torch.tensor([windows[name][number]]) for name in names if name in windows}
    output = model(**inputs)
    outside = np.array([[text != CONTEXT for text in windows.sequence_ids(number)]])
    outside[inputs["input_ids"].numpy() == model.tokenizer.cls_token_id] = False  # it takes a share of the probability
    starts, ends, scores, _ = select_starts_ends(
        output.start_logits.float().numpy(),
        output.end_logits.float().numpy(),
        outside.astype(int),
        np.ones_like(outside, dtype=int),
    )
    return float(scores[0]), int(starts[0]), int(ends[0])
