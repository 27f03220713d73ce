"""`run` on image and sound files: what each task says of them."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, Any

from neuronbuild.errors import ToolchainError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from neuronbuild.models.base import ForwardModel
    from neuronbuild.models.speech import NeuronModelForSpeechSeq2Seq

Rows = list[dict[str, object]]

CONFIDENT = 0.5
"""Score from which on an object is shown."""

OPENING = 4
"""Tokens that answers of Whisper begin with: a start, a language, a task, and that there are no timestamps."""


def _image(path: str) -> Any:  # noqa: ANN401 (Pillow is an extra)
    try:
        from PIL import Image
    except ImportError:
        raise ToolchainError("cpu", "reading images needs Pillow", hint="pip install pillow") from None
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except OSError as error:
        raise UsageError(f"{path} can't be read as an image: {error.strerror or 'its format is not known'}") from None


def read_sound(path: str, rate: int) -> np.ndarray:
    """Samples of a WAV file, from -1 to 1, its channels mixed.

    Raises:
        UsageError: it is none, or holds another number of samples a second than the model was trained on.
    """
    import numpy as np

    try:
        with wave.open(path, "rb") as file:
            width, channels, found = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise UsageError(f"{path} can't be read as a WAV file: {error}") from None
    if found != rate:
        raise UsageError(
            f"{path} has {found} samples a second, this model reads {rate}", hint=f"resample it: sox in.wav -r {rate} out.wav"
        )
    if width not in {2, 4}:
        raise UsageError(f"{path} holds samples of {8 * width} bits; 16 and 32 can be read")
    samples = np.frombuffer(data, f"<i{width}").astype(np.float32) / 2.0 ** (8 * width - 1)
    mixed: np.ndarray = samples.reshape(-1, channels).mean(1)
    return mixed


def _seen(model: ForwardModel, path: str) -> tuple[Any, Any]:
    """An image, and what the model says of it."""
    image = _image(path)
    processor = getattr(model.processor, "image_processor", model.processor)
    return image, model(pixel_values=processor(images=image, return_tensors="pt")["pixel_values"])


def _heard(model: ForwardModel, path: str) -> Any:  # noqa: ANN401 (an output of transformers)
    extractor = getattr(model.processor, "feature_extractor", model.processor)
    samples = read_sound(path, extractor.sampling_rate)
    return model(**extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt"))


def _best(model: ForwardModel, logits: Any, path: str) -> dict[str, object]:  # noqa: ANN401 (a tensor)
    scores = logits[0].float().softmax(-1)
    label = int(scores.argmax())
    return {"score": float(scores[label]), "label": model.config.id2label[label], "file": path}


def _image_labels(model: ForwardModel, paths: list[str]) -> Rows:
    return [_best(model, _seen(model, path)[1].logits, path) for path in paths]


def _sound_labels(model: ForwardModel, paths: list[str]) -> Rows:
    return [_best(model, _heard(model, path).logits, path) for path in paths]


def _objects(model: ForwardModel, paths: list[str]) -> Rows:
    rows: Rows = []
    for path in paths:
        image, output = _seen(model, path)
        [found] = model.processor.post_process_object_detection(
            output, threshold=CONFIDENT, target_sizes=[(image.height, image.width)]
        )
        rows += [
            {
                "score": float(score),
                "label": model.config.id2label[int(label)],
                "box": [round(x) for x in box.tolist()],
                "file": path,
            }
            for score, label, box in zip(found["scores"], found["labels"], found["boxes"], strict=True)
        ]
    return rows


def _segments(model: ForwardModel, paths: list[str]) -> Rows:
    """How much of each picture each label covers."""
    rows: Rows = []
    for path in paths:
        labels = _seen(model, path)[1].logits[0].argmax(0)
        for label, count in zip(*labels.unique(return_counts=True), strict=True):
            rows.append({"share": float(count) / labels.numel(), "label": model.config.id2label[int(label)], "file": path})
    return rows


def _which(model: ForwardModel, inputs: list[str]) -> Rows:
    path, texts = inputs[0], inputs[1:]
    if not texts:
        raise UsageError("zero-shot classification takes an image file, then the texts to choose from")
    images = model.processor.image_processor(images=_image(path), return_tensors="pt")
    words = model.tokenizer(texts, padding=True, truncation=True, max_length=model.longest, return_tensors="pt")
    scores = model(**images, **words).logits_per_image[0].float().softmax(-1)
    return [{"score": float(score), "text": text} for score, text in zip(scores, texts, strict=True)]


def _words(model: ForwardModel, paths: list[str]) -> Rows:
    return [{"text": model.tokenizer.decode(_heard(model, path).logits[0].argmax(-1)), "file": path} for path in paths]


def _sentences(model: NeuronModelForSpeechSeq2Seq, paths: list[str]) -> Rows:
    """One at a time. What is longer than the model hears at once is heard part by part, which needs its timestamps."""
    extractor = getattr(model.processor, "feature_extractor", model.processor)
    rows: Rows = []
    for path in paths:
        samples = read_sound(path, extractor.sampling_rate)
        long = len(samples) > extractor.n_samples
        if long and getattr(model.generation_config, "no_timestamps_token_id", None) is None:
            most = extractor.n_samples / extractor.sampling_rate
            raise UsageError(f"{path} is longer than {most:g} seconds, and this model tells no timestamps", hint="cut it up")
        parts = {"truncation": False, "padding": "longest", "return_attention_mask": True} if long else {}
        heard = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt", **parts)
        room = {"max_new_tokens": model.longest - OPENING}
        made = model.generate(**heard, **room, **({"return_timestamps": True} if long else {}))
        rows.append({"text": model.tokenizer.decode(made[0], skip_special_tokens=True), "file": path})
    return rows


def _voices(model: ForwardModel, paths: list[str]) -> Rows:
    import torch

    vectors = torch.cat([_heard(model, path).embeddings for path in paths]).float()
    unit = torch.nn.functional.normalize(vectors, dim=1)
    table = unit @ unit.T
    return [
        {"similarity": float(table[i, j]), "a": paths[i], "b": paths[j]}
        for i in range(len(paths))
        for j in range(i + 1, len(paths))
    ] or [{"file": paths[0], "embedding": [round(float(x), 4) for x in vectors[0]]}]


SENSES: dict[str, Callable[[Any, list[str]], Rows]] = {
    "image-classification": _image_labels,
    "semantic-segmentation": _segments,
    "object-detection": _objects,
    "zero-shot-image-classification": _which,
    "audio-classification": _sound_labels,
    "automatic-speech-recognition": _words,
    "speech-seq2seq": _sentences,
    "audio-xvector": _voices,
}
