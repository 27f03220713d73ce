"""`run`: try a release from the command line, with texts or files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuronbuild.cli.options import json_option
from neuronbuild.cli.output import put, put_json
from neuronbuild.cli.senses import SENSES
from neuronbuild.errors import ToolchainError, UsageError
from neuronbuild.runtime.reader import read_release

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from neuronbuild.models.base import ForwardModel
    from neuronbuild.models.causal_lm import NeuronModelForCausalLM
    from neuronbuild.models.seq2seq import NeuronModelForSeq2SeqLM

BEST = 5
"""Answers shown for each text."""

NEW_TOKENS = 64
"""Tokens that a text is continued by, where the release has room for them."""


@click.command("run")
@click.argument("release", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True)
@json_option
def run_command(*, release: Path, inputs: tuple[str, ...], as_json: bool) -> None:
    """Run a release on INPUTS: texts, image files or WAV files, as its task wants them.

    Embeddings: the similarity of each pair. Classification: the labels. Fill-mask: the likeliest words. Question answering:
    a question, then a context. Multiple choice: a prompt, then the choices. Text generation: what may follow, or the answer.
    Images: labels, objects, or the share of each label; zero-shot: an image, then the texts to choose from. Sound: labels,
    words, or how alike the voices of each pair are.
    """
    _refuse_bytes(inputs)
    read_release(release)  # what is wrong with it is told at once, before the seconds that the next line takes
    try:
        from neuronbuild.models import open_model  # torch and transformers: only this command needs them
    except ImportError as error:
        problem = f"running a release needs torch and transformers: {error}"
        raise ToolchainError("cpu", problem, hint="pip install 'neuronbuild[cpu]'") from None
    model = open_model(release)
    answer = TASKS.get(model.task)
    if answer is None:
        problem = f"`run` has no way to show what a model for {model.task} gives"
        raise UsageError(problem, hint=f"call it from Python: {type(model).__name__}.from_pretrained({str(release)!r})")
    rows = answer(model, list(inputs))
    if as_json:
        put_json(rows)
    else:
        put("\n".join("  ".join(map(_cell, row.values())) for row in rows))


def _refuse_bytes(texts: tuple[str, ...]) -> None:
    """Stop at arguments that are no text: the shell hands over any bytes."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(f"a text isn't UTF-8: {ascii(text)[:80]}") from None


def _cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


Rows = list[dict[str, object]]


def _encode(model: ForwardModel, texts: list[str], pairs: list[str] | None = None) -> dict[str, torch.Tensor]:
    arguments: tuple[list[str], ...] = (texts,) if pairs is None else (texts, pairs)
    encoded = model.tokenizer(*arguments, padding=True, truncation=True, max_length=model.longest, return_tensors="pt")
    return dict(encoded)


def _similarities(model: ForwardModel, texts: list[str]) -> Rows:
    import torch

    encoded = _encode(model, texts)
    output = model(**encoded)
    if model.task == "sentence-similarity":
        vectors = output.sentence_embedding
    else:
        mask = encoded["attention_mask"].unsqueeze(-1)
        vectors = (output.last_hidden_state * mask).sum(1) / mask.sum(1)
    if len(texts) == 1:
        return [{"text": texts[0], "embedding": [round(float(x), 4) for x in vectors[0]]}]
    unit = torch.nn.functional.normalize(vectors.float(), dim=1)
    table = unit @ unit.T
    return [
        {"similarity": float(table[i, j]), "a": texts[i], "b": texts[j]}
        for i in range(len(texts))
        for j in range(i + 1, len(texts))
    ]


def _labels(model: ForwardModel, texts: list[str]) -> Rows:
    scores = model(**_encode(model, texts)).logits.float().softmax(-1)
    names = model.config.id2label
    best = scores.argmax(-1)
    return [
        {"score": float(scores[row, label]), "label": names[int(label)], "text": texts[row]} for row, label in enumerate(best)
    ]


def _token_labels(model: ForwardModel, texts: list[str]) -> Rows:
    encoded = _encode(model, texts)
    scores = model(**encoded).logits.float().softmax(-1)
    names, rows = model.config.id2label, []
    special = set(model.tokenizer.all_special_ids)
    for row, ids in enumerate(encoded["input_ids"].tolist()):
        for position, token in enumerate(ids):
            if token not in special:
                label = int(scores[row, position].argmax())
                word = model.tokenizer.convert_ids_to_tokens(token)
                rows.append({"score": float(scores[row, position, label]), "label": names[label], "token": word})
    return rows


def _masked(model: ForwardModel, texts: list[str]) -> Rows:
    mask = model.tokenizer.mask_token
    for text in texts:
        if mask not in text:
            raise UsageError(f"{text!r} has no {mask}", hint=f"put {mask} where a word is to be found")
    encoded = _encode(model, texts)
    logits = model(**encoded).logits.float()
    found = (encoded["input_ids"] == model.tokenizer.mask_token_id).nonzero()
    rows: Rows = []
    for row, position in found.tolist():
        best = logits[row, position].softmax(-1).topk(BEST)
        rows += [
            {"score": float(score), "word": model.tokenizer.decode([int(token)]).strip(), "text": texts[row]}
            for score, token in zip(best.values, best.indices, strict=True)
        ]
    return rows


def _answer(model: ForwardModel, texts: list[str]) -> Rows:
    if len(texts) != 2:  # noqa: PLR2004 (a question and its context)
        raise UsageError("question answering takes two texts: a question, then a context")
    encoded = _encode(model, texts[:1], texts[1:])
    output = model(**encoded)
    start = int(output.start_logits[0].argmax())
    end = int(output.end_logits[0][start:].argmax()) + start
    ids = encoded["input_ids"][0, start : end + 1]
    return [{"answer": model.tokenizer.decode(ids, skip_special_tokens=True)}]


def _choice(model: ForwardModel, texts: list[str]) -> Rows:
    prompt, choices = texts[0], texts[1:]
    if not choices:
        raise UsageError("multiple choice takes a prompt, then the choices")
    encoded = _encode(model, [prompt] * len(choices), choices)
    inputs = {name: tensor.unsqueeze(0) for name, tensor in encoded.items()}
    scores = model(**inputs).logits[0].float().softmax(-1)
    return [{"score": float(score), "choice": choice} for score, choice in zip(scores, choices, strict=True)]


def _continuations(model: NeuronModelForCausalLM, texts: list[str]) -> Rows:
    """One at a time: a release is often compiled for one sequence."""
    rows: Rows = []
    for text in texts:
        encoded = model.tokenizer(text, return_tensors="pt")
        room = model.longest - encoded["input_ids"].shape[1]
        made = model.generate(**encoded, max_new_tokens=max(1, min(NEW_TOKENS, room)), do_sample=False)
        rows.append({"text": model.tokenizer.decode(made[0], skip_special_tokens=True)})
    return rows


def _answers(model: NeuronModelForSeq2SeqLM, texts: list[str]) -> Rows:
    rows: Rows = []
    for text in texts:
        encoded = model.tokenizer(text, truncation=True, max_length=model.longest, return_tensors="pt")
        made = model.generate(**encoded, max_new_tokens=min(NEW_TOKENS, model.longest - 1), do_sample=False)
        rows.append({"text": model.tokenizer.decode(made[0], skip_special_tokens=True)})
    return rows


TASKS: dict[str, Callable[[Any, list[str]], Rows]] = {
    "feature-extraction": _similarities,
    "sentence-similarity": _similarities,
    "text-classification": _labels,
    "token-classification": _token_labels,
    "fill-mask": _masked,
    "question-answering": _answer,
    "multiple-choice": _choice,
    "text-generation": _continuations,
    "text2text-generation": _answers,
    **SENSES,
}
