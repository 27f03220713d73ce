from __future__ import annotations

import wave

import numpy as np
import pytest
from PIL import Image, ImageOps

from neuronbuild.cli.media import read_image, read_sound
from neuronbuild.errors import UsageError
from tests.tools.answers import random_picture, random_sound


def write_sound(file, sound=None, rate=16_000, width=2, channels=1):
    """A WAV file of whole numbers of so many bytes."""
    sound = random_sound(0) if sound is None else sound
    wide = np.round(np.repeat(sound, channels).astype(np.float64) * (2.0 ** (8 * width - 1) - 1)).astype("<i4")
    raw = wide.view(np.uint8).reshape(-1, 4)[:, :width].copy()
    if width == 1:
        raw ^= 0x80
    with wave.open(str(file), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(raw.tobytes())
    return file


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_samples_are_numbers_up_to_one_whatever_they_are_stored_in(tmp_path, width, channels):
    samples = read_sound(str(write_sound(tmp_path / "a.wav", width=width, channels=channels)), 16_000)
    assert (samples.shape, samples.dtype) == ((400,), np.float32)
    assert np.abs(samples - random_sound(0)).max() < 2.0 ** (2 - 8 * min(width, 2))


def test_channels_are_mixed(tmp_path):
    left, right = random_sound(1), random_sound(2)
    file = write_sound(tmp_path / "a.wav", np.stack([left, right], 1).reshape(-1))
    data = file.read_bytes()
    file.write_bytes(data[:22] + (2).to_bytes(2, "little") + data[24:32] + (4).to_bytes(2, "little") + data[34:])
    assert np.abs(read_sound(str(file), 16_000) - (left + right) / 2).max() < 1e-4


def test_sound_that_the_model_cannot_read_is_told(tmp_path):
    with pytest.raises(UsageError, match="has 8000 samples a second, this model reads 16000") as caught:
        read_sound(str(write_sound(tmp_path / "a.wav", rate=8000)), 16_000)
    assert "resample" in caught.value.hint
    (tmp_path / "c.wav").write_text("text")
    with pytest.raises(UsageError, match="can't be read as a WAV file"):
        read_sound(str(tmp_path / "c.wav"), 16_000)
    with pytest.raises(UsageError, match="holds no sound"):
        read_sound(str(write_sound(tmp_path / "d.wav", random_sound(0)[:0])), 16_000)


def test_a_wav_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    file = write_sound(tmp_path / "a.wav", channels=2)
    file.write_bytes(file.read_bytes()[:-3])
    assert read_sound(str(file), 16_000).shape == (399,)


@pytest.mark.parametrize("read", [read_image, lambda path: read_sound(path, 16_000)])
def test_what_is_no_file_is_told(tmp_path, read):
    (tmp_path / "empty").write_bytes(b"")
    for name, problem in (("nowhere", "there is no such file"), (".", "is a folder"), ("empty", "is empty")):
        with pytest.raises(UsageError, match=problem):
            read(str(tmp_path / name))
    for name in ("a" * 300, "a\0b"):
        with pytest.raises(UsageError):
            read(name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp", "a.tiff"])
def test_pictures_are_read_in_rgb(tmp_path, name):
    random_picture(0).save(tmp_path / name)
    assert read_image(str(tmp_path / name)).mode == "RGB"


@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_stand_as_the_camera_was_held(tmp_path, turn):
    picture = random_picture(0)
    exif = Image.Exif()
    exif[0x0112] = turn
    picture.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(np.asarray(read_image(str(tmp_path / "a.png"))), expected)
    assert expected.shape == ((40, 60, 3) if turn < 5 else (60, 40, 3))


def test_what_is_no_picture_is_told(tmp_path):
    random_picture(0).save(tmp_path / "whole.png")
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    for name in ("text.png", "cut.png"):
        with pytest.raises(UsageError, match="can't be read as an image"):
            read_image(str(tmp_path / name))
