"""`run` for tasks that transformers has no pipeline for, and for embeddings, which people compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from neuronbuild.cli.spans import best_answer
from neuronbuild.cli.trial import NEW_TOKENS
from neuronbuild.errors import UsageError
from neuronbuild.models.similarity import BETWEEN_ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from neuronbuild.cli.trial import Rows, Trial

    Measure = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

SPEAKS = 0.5
"""Probability from which on a label holds for a frame of sound."""


def _pairs(names: Sequence[str], vectors: torch.Tensor, column: str, measure: Measure = BETWEEN_ALL["cosine"]) -> Rows:
    """How alike each pair is; of one alone, its embedding."""
    if len(names) == 1:
        return [{column: names[0], "embedding": vectors[0].tolist()}]
    table = measure(vectors.float(), vectors.float()).tolist()
    return [
        {"similarity": table[i][j], "a": names[i], "b": names[j]} for i in range(len(names)) for j in range(i + 1, len(names))
    ]


def _text_similarities(trial: Trial, texts: list[str]) -> Rows:
    """By the mean over what the pipeline gives for each text's tokens, which nobody reads number by number."""
    pipe = trial.pipe()
    vectors = [pipe(text, return_tensors=True, **trial.cut).mean(1) for text in texts]
    return _pairs(texts, torch.cat(vectors), "text")


def _sentence_similarities(trial: Trial, texts: list[str]) -> Rows:
    """As the model itself compares."""
    model = trial.model
    if trial.fit:
        model.max_seq_length = min(model.max_seq_length or model.longest, model.longest)
    return _pairs(texts, model.encode(texts, convert_to_tensor=True), "text", model.similarity)


def _answer(trial: Trial, texts: list[str]) -> Rows:
    if len(texts) != 2:  # noqa: PLR2004 (a question and its context)
        raise UsageError("question answering takes two texts: a question, then a context")
    return [{"answer": best_answer(trial.model, *texts)}]


def _choice(trial: Trial, texts: list[str]) -> Rows:
    prompt, choices = texts[0], texts[1:]
    if not choices:
        raise UsageError("multiple choice takes a prompt, then the choices")
    encoded = trial.encode([prompt] * len(choices), choices)
    scores = trial.model(**{name: tensor.unsqueeze(0) for name, tensor in encoded.items()}).logits[0].float().softmax(-1)
    return [{"score": score, "choice": choice} for score, choice in zip(scores.tolist(), choices, strict=True)]


def _replies(trial: Trial, texts: list[str]) -> Rows:
    """Greedily, so that a text gets one answer."""
    rows: Rows = []
    for text in texts:
        made = trial.model.generate(
            **trial.encode([text]), max_new_tokens=min(NEW_TOKENS, trial.model.longest - 1), do_sample=False
        )
        rows.append({"text": trial.model.tokenizer.decode(made[0], skip_special_tokens=True)})
    return rows


def _heard(trial: Trial, paths: list[str]) -> Iterator[tuple[str, Any, float]]:
    """Each file, what the model says of it, and its seconds."""
    extractor = getattr(trial.model.processor, "feature_extractor", trial.model.processor)
    for path, samples in trial.sounds(extractor, paths):
        inputs = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        yield path, trial.model(**inputs), len(samples) / extractor.sampling_rate


def _voices(trial: Trial, paths: list[str]) -> Rows:
    return _pairs(paths, torch.cat([output.embeddings for _, output, _ in _heard(trial, paths)]), "file")


def _speakers(trial: Trial, paths: list[str]) -> Rows:
    """From when to when each label holds, in seconds."""
    names, rows = trial.model.config.id2label, []
    for path, output, seconds in _heard(trial, paths):
        holds = output.logits[0].float().sigmoid() > SPEAKS
        step = seconds / len(holds)
        for label, column in enumerate(holds.T.tolist()):
            rows += [
                {"start": start * step, "end": end * step, "label": names[label], "file": path} for start, end in _runs(column)
            ]
    return rows


def _runs(holds: list[bool]) -> list[tuple[int, int]]:
    """Where it is true without a break: from a frame to before another."""
    edges = [frame for frame, (one, other) in enumerate(zip([False, *holds], [*holds, False], strict=True)) if one != other]
    return list(zip(edges[::2], edges[1::2], strict=True))


UNPIPED: dict[str, Callable[[Trial, list[str]], Rows]] = {
    "feature-extraction": _text_similarities,
    "sentence-similarity": _sentence_similarities,
    "question-answering": _answer,
    "multiple-choice": _choice,
    "text2text-generation": _replies,
    "audio-xvector": _voices,
    "audio-frame-classification": _speakers,
}
