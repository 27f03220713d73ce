"""Image and sound files that `run` is given."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
from transformers.image_utils import load_image

from neuronbuild.errors import ToolchainError, UsageError

WIDTHS = {1, 2, 3, 4}
"""Bytes of a sample in the WAV files that can be read."""


def read_image(path: str) -> Any:  # noqa: ANN401 (Pillow is an extra)
    """An image in RGB, turned as its camera was held, as transformers' pipelines read it.

    Raises:
        UsageError: it can't be read as an image.
    """
    _refuse_no_file(path)
    try:
        return load_image(path)
    except ImportError:
        raise ToolchainError("cpu", "reading images needs Pillow", hint="pip install pillow") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what Pillow raises for damaged files of many formats
        problem = getattr(error, "strerror", None) or "its format is not known, or it is damaged"
        raise UsageError(f"{path} can't be read as an image: {problem}") from None


def read_sound(path: str, rate: int) -> np.ndarray:
    """Samples of a WAV file, float32 of shape (samples,) from -1 to 1, the mean of its channels.

    Raises:
        UsageError: it is none, holds nothing, or another number of samples a second than the model was trained on.
    """
    _refuse_no_file(path)
    try:
        with wave.open(path, "rb") as file:
            width, channels, found = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        hint = "convert it: ffmpeg -i SOUND -ac 1 -c:a pcm_s16le sound.wav"
        raise UsageError(
            f"{path} can't be read as a WAV file of whole numbers: {str(error) or 'it ends early'}", hint=hint
        ) from None
    if found != rate:
        raise UsageError(
            f"{path} has {found} samples a second, this model reads {rate}", hint=f"resample it: sox in.wav -r {rate} out.wav"
        )
    if width not in WIDTHS:
        raise UsageError(f"{path} holds samples of {8 * width} bits; 8, 16, 24 and 32 can be read")
    whole = len(data) // (width * channels) * width * channels
    if not whole:
        raise UsageError(f"{path} holds no sound")
    mixed: np.ndarray = _samples(data[:whole], width).reshape(-1, channels).mean(1)
    return mixed


def _samples(data: bytes, width: int) -> np.ndarray:
    """Whole numbers of so many bytes, as the high bytes of four, to float32. Those of one byte are stored above zero."""
    raw: np.ndarray = np.frombuffer(data, np.uint8).reshape(-1, width)
    wide: np.ndarray = np.zeros((len(raw), 4), np.uint8)
    wide[:, 4 - width :] = raw if width > 1 else raw ^ 0x80
    samples: np.ndarray = (wide.reshape(-1).view("<i4") / 2.0**31).astype(np.float32)
    return samples


def _refuse_no_file(path: str) -> None:
    file = Path(path)
    try:
        if file.is_dir():
            raise UsageError(f"{path} is a folder; name a file")
        if not file.is_file():
            raise UsageError(f"{path}: there is no such file")
        if not file.stat().st_size:
            raise UsageError(f"{path} is empty")
    except (OSError, ValueError) as error:  # names that no file could have
        raise UsageError(f"{ascii(path)[:80]} can't be read: {error}") from None
