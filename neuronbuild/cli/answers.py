"""What `run` shows for each task: rows of what transformers' pipelines say, or our own where transformers has none."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import torch
from transformers.pipelines.base import PipelineException

from neuronbuild.cli.media import read_image
from neuronbuild.cli.trial import NEW_TOKENS, Rows, Trial
from neuronbuild.cli.unpiped import UNPIPED
from neuronbuild.errors import NeuronBuildError, ShapeError, UsageError
from neuronbuild.models import open_model
from neuronbuild.runtime.padding import padding_refused
from neuronbuild.tasks.audio import AUDIO
from neuronbuild.tasks.images import TEXT_BATCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PHOTO = "This is a photo of {}."
"""What transformers' pipeline makes of a label: CLIP learned from captions of pictures."""

OPENING = 4
"""Tokens that answers of Whisper begin with: a start, a language, a task, and that there are no timestamps."""


def answer(release: Path, inputs: list[str], *, fit: bool) -> Rows:
    """What a release says to inputs, a row an answer.

    Raises:
        UsageError: the inputs aren't those of its task.
        ShapeError: one fits no compiled shape.
        ReleaseError: the release can't be run here.
    """
    model = open_model(release)
    trial = Trial(model, release, fit)
    try:
        with padding_refused():
            return ANSWERS[model.task](trial, inputs)
    except ShapeError as error:
        hint = _advice(error, fit=fit)
        raise ShapeError(error.given, error.compiled, hint=hint) from None
    except NeuronBuildError:
        raise
    except (ValueError, PipelineException) as error:  # what transformers says of inputs that it can't take
        raise UsageError(f"{model.task}: {next(iter(str(error).splitlines()), type(error).__name__)}") from None


def _advice(error: ShapeError, *, fit: bool) -> str | None:
    """What to do from the command line."""
    hint = error.hint or ""
    if not fit and hint.startswith(("truncate", "shorten the prompt")):
        return "--fit cuts texts to the longest compiled shape; or compile a larger one"
    if not fit and AUDIO in error.given:
        return "--fit pads sounds to a compiled length, which these models hear; cut those that are longer than every one"
    return error.hint


def _labels(trial: Trial, texts: list[str]) -> Rows:
    pipe = trial.pipe()
    found = [(text, pipe(text, **trial.cut)[0]) for text in texts]
    return [{"score": each["score"], "label": each["label"], "text": text} for text, each in found]


def _token_labels(trial: Trial, texts: list[str]) -> Rows:
    pipe = trial.pipe()
    found = [each for text in texts for each in pipe(text, **trial.cut)]
    return [{"score": float(each["score"]), "label": each["entity"], "token": each["word"]} for each in found]


def _masked(trial: Trial, texts: list[str]) -> Rows:
    pipe, rows = trial.pipe(), []
    mask = pipe.tokenizer.mask_token
    for text in texts:
        if mask not in text:
            raise UsageError(f"{text!r} has no {mask}", hint=f"put {mask} where a word is to be found")
    for text in texts:
        found = pipe(text, **trial.cut)
        for each in found if isinstance(found[0], list) else [found]:
            rows += [{"score": word["score"], "word": word["token_str"], "text": text} for word in each]
    return rows


def _continuations(trial: Trial, texts: list[str]) -> Rows:
    """Greedily, so that a text gets one answer."""
    pipe, rows = trial.pipe(), []
    for text in texts:
        room = trial.model.longest - len(pipe.tokenizer(text)["input_ids"])
        new = min(NEW_TOKENS, trial.model.longest // 2) if room < 1 and trial.fit else max(1, min(NEW_TOKENS, room))
        [made] = pipe(text, do_sample=False, max_new_tokens=new, **trial.cut)
        rows.append({"text": made["generated_text"]})
    return rows


def _image_labels(trial: Trial, paths: list[str]) -> Rows:
    pipe = trial.pipe()
    found = [(path, pipe(read_image(path), top_k=1)[0]) for path in paths]
    return [{"score": each["score"], "label": each["label"], "file": path} for path, each in found]


def _segments(trial: Trial, paths: list[str]) -> Rows:
    """How much of each picture each label covers."""
    pipe = trial.pipe()
    found = [(path, each) for path in paths for each in pipe(read_image(path))]
    return [
        {"share": statistics.fmean(each["mask"].tobytes()) / 255, "label": each["label"], "file": path} for path, each in found
    ]


def _objects(trial: Trial, paths: list[str]) -> Rows:
    pipe = trial.pipe()
    found = [(path, each) for path in paths for each in pipe(read_image(path))]
    return [
        {"score": each["score"], "label": each["label"], "box": list(each["box"].values()), "file": path}
        for path, each in found
    ]


def _which(trial: Trial, inputs: list[str]) -> Rows:
    path, labels = inputs[0], inputs[1:]
    if not labels:
        raise UsageError("zero-shot classification takes an image file, then the labels to choose from")
    pipe, most = trial.pipe(), max(shape[TEXT_BATCH] for shape in trial.model.shapes)
    if len(labels) <= most:
        found = pipe(read_image(path), candidate_labels=labels, **trial.cut)
    else:
        found = pipe.postprocess({"candidate_labels": labels, "logits": _likenesses(trial, pipe, path, labels, most)})
    return [{"score": each["score"], "text": each["label"]} for each in found]


def _likenesses(trial: Trial, pipe: Any, path: str, labels: list[str], most: int) -> torch.Tensor:  # noqa: ANN401 (no types)
    """Logits (1, labels) as the pipeline has them, of more labels than go into the graph at once: some at a time."""
    image = pipe.image_processor(images=[read_image(path)], return_tensors="pt")
    texts = [PHOTO.format(label) for label in labels]
    groups = [trial.encode(texts[start : start + most]) for start in range(0, len(texts), most)]
    return torch.cat([trial.model(**group, **image).logits_per_image for group in groups], dim=-1)


def _sound_labels(trial: Trial, paths: list[str]) -> Rows:
    pipe = trial.pipe()
    found = [(path, pipe(sound, top_k=1)[0]) for path, sound in trial.sounds(pipe.feature_extractor, paths)]
    return [{"score": each["score"], "label": each["label"], "file": path} for path, each in found]


def _words(trial: Trial, paths: list[str]) -> Rows:
    pipe = trial.pipe()
    return [{"text": pipe(sound)["text"], "file": path} for path, sound in trial.sounds(pipe.feature_extractor, paths)]


def _sentences(trial: Trial, paths: list[str]) -> Rows:
    """Greedily. What is longer than the model hears at once is heard part by part, which needs its timestamps."""
    pipe, rows = trial.pipe(), []
    extractor, config = pipe.feature_extractor, trial.model.generation_config
    said = {"max_new_tokens": trial.model.longest - OPENING, "num_beams": 1}
    for path, sound in trial.sounds(pipe.feature_extractor, paths):
        long = len(sound) > extractor.n_samples
        if long and getattr(config, "no_timestamps_token_id", None) is None:
            most = extractor.n_samples / extractor.sampling_rate
            raise UsageError(f"{path} is longer than {most:g} seconds, and this model tells no timestamps", hint="cut it up")
        made = pipe(sound, generate_kwargs=said, **({"return_timestamps": True} if long else {}))
        rows.append({"text": made["text"], "file": path})
    return rows


ANSWERS: dict[str, Callable[[Trial, list[str]], Rows]] = {
    "text-classification": _labels,
    "token-classification": _token_labels,
    "fill-mask": _masked,
    "text-generation": _continuations,
    "image-classification": _image_labels,
    "semantic-segmentation": _segments,
    "object-detection": _objects,
    "zero-shot-image-classification": _which,
    "audio-classification": _sound_labels,
    "automatic-speech-recognition": _words,
    "speech-seq2seq": _sentences,
    **UNPIPED,
}
