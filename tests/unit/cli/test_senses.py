from __future__ import annotations

import json
import wave

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import neuronbuild
from neuronbuild.cli.run import run_command
from neuronbuild.cli.senses import read_sound
from neuronbuild.errors import ShapeError, UsageError
from tests.unit.runtime.releases import copy_release

LABELS = {"LABEL_0", "LABEL_1"}


def run(release, *inputs):
    done = CliRunner().invoke(
        run_command, [str(release), *map(str, inputs), "--json"], catch_exceptions=False, standalone_mode=False
    )
    return json.loads(done.stdout)


def write_sound(file, samples=400, rate=16000, width=2, channels=1):
    values = np.random.default_rng(0).uniform(-0.5, 0.5, samples * channels)
    with wave.open(str(file), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes((values * 2 ** (8 * width - 1)).astype(f"<i{width}").tobytes())
    return file


@pytest.fixture
def picture(tmp_path):
    Image.fromarray((np.random.default_rng(0).random((40, 60, 3)) * 255).astype("uint8")).save(tmp_path / "one.png")
    return tmp_path / "one.png"


def test_pictures_get_a_label_each(built, picture):
    rows = run(built.releases["image-classification"], picture, picture)
    assert [row["file"] for row in rows] == [str(picture)] * 2
    assert {row["label"] for row in rows} <= LABELS


def test_segments_share_the_picture(built, picture):
    rows = run(built.releases["semantic-segmentation"], picture)
    assert sum(row["share"] for row in rows) == pytest.approx(1)


def test_objects_are_told_only_where_the_model_is_confident(built, picture):
    assert all(row["score"] >= 0.5 for row in run(built.releases["object-detection"], picture))


def test_an_image_is_told_by_the_texts_to_choose_from(built, picture):
    rows = run(built.releases["zero-shot-image-classification"], picture, "cat", "dog")
    assert [row["text"] for row in rows] == ["cat", "dog"]
    assert sum(row["score"] for row in rows) == pytest.approx(1)
    with pytest.raises(UsageError, match="an image file, then the texts"):
        run(built.releases["zero-shot-image-classification"], picture)


@pytest.mark.filterwarnings("ignore:padding changes")
def test_sound_gets_labels_words_and_likenesses(built, tmp_path):
    sound = write_sound(tmp_path / "a.wav")
    assert run(built.releases["audio-classification"], sound)[0]["label"] in LABELS
    assert isinstance(run(built.releases["automatic-speech-recognition"], sound)[0]["text"], str)
    [row] = run(built.releases["audio-xvector"], sound, sound)
    assert row["similarity"] == pytest.approx(1)
    [alone] = run(built.releases["audio-xvector"], sound)
    assert len(alone["embedding"]) == 16


def test_speech_is_written_down_however_long_it_is(built, tmp_path):
    short, long = write_sound(tmp_path / "a.wav"), write_sound(tmp_path / "b.wav", 20_000)
    rows = run(built.releases["speech-seq2seq"], short, long)
    assert [row["file"] for row in rows] == [str(short), str(long)]
    hears = neuronbuild.pipeline("automatic-speech-recognition", built.releases["speech-seq2seq"])
    room = {"max_new_tokens": 28}
    expected = [
        hears(read_sound(str(short), 16_000), generate_kwargs=room),
        hears(read_sound(str(long), 16_000), generate_kwargs=room, return_timestamps=True),
    ]
    assert [row["text"] for row in rows] == [each["text"] for each in expected]
    assert any(row["text"] for row in rows)


def test_long_speech_needs_timestamps(built, tmp_path):
    release = copy_release(built.releases["speech-seq2seq"], tmp_path)
    file = release / "generation_config.json"
    text = file.read_text().replace('"no_timestamps_token_id"', '"no_timestamps_token_xx"')
    file.unlink()
    file.write_text(text)
    with pytest.raises(UsageError, match=r"b\.wav is longer than 1 seconds, and this model tells no timestamps"):
        run(release, write_sound(tmp_path / "b.wav", 20_000))


def test_a_task_that_nothing_can_be_shown_of_is_told(built, tmp_path):
    with pytest.raises(UsageError, match="no way to show what a model for audio-frame-classification gives") as caught:
        run(built.releases["audio-frame-classification"], write_sound(tmp_path / "a.wav"))
    assert "NeuronModelForAudioFrameClassification.from_pretrained" in caught.value.hint


def test_longer_sound_than_was_compiled_is_refused(built, tmp_path):
    with pytest.raises(ShapeError, match="audio_sequence_length=500"):
        run(built.releases["audio-classification"], write_sound(tmp_path / "a.wav", samples=500))


def test_what_is_no_picture_is_told(built, tmp_path):
    (tmp_path / "x.png").write_text("text")
    for file in (tmp_path / "x.png", tmp_path / "nowhere.png"):
        with pytest.raises(UsageError, match="can't be read as an image"):
            run(built.releases["image-classification"], file)


@pytest.mark.parametrize(("width", "channels"), [(2, 1), (2, 2), (4, 1)])
def test_samples_are_numbers_up_to_one(tmp_path, width, channels):
    samples = read_sound(str(write_sound(tmp_path / "a.wav", width=width, channels=channels)), 16000)
    assert samples.shape == (400,)
    assert samples.dtype == np.float32
    assert 0.1 < np.abs(samples).max() <= 0.5


def test_sound_that_the_model_cannot_read_is_told(tmp_path):
    with pytest.raises(UsageError, match="has 8000 samples a second, this model reads 16000"):
        read_sound(str(write_sound(tmp_path / "a.wav", rate=8000)), 16000)
    with pytest.raises(UsageError, match="samples of 8 bits"):
        read_sound(str(write_sound(tmp_path / "b.wav", width=1)), 16000)
    (tmp_path / "c.wav").write_text("text")
    for name in ("c.wav", "nowhere.wav"):
        with pytest.raises(UsageError, match="can't be read as a WAV file"):
            read_sound(str(tmp_path / name), 16000)
