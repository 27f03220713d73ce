"""Every class that looks at images or hears sound, compiled for real: results as eager transformers gives them."""

from __future__ import annotations

import warnings

import pytest
import torch
import transformers

import neuronbuild
from neuronbuild.errors import InputError, ShapeError
from neuronbuild.tasks import TASKS
from tests.conftest import run_cli, write_recipe
from tests.senses import SAMPLES, make_sense_model

SOUND = [task for task, family in SAMPLES.items() if family == "wav2vec2"]
SPECTROGRAMS = "audio-spectrogram-transformer"
PICTURES = {"image-classification": (32, 32), "semantic-segmentation": (64, 64), "object-detection": (32, 48)}
"""Height and width of what each model was compiled for."""


@pytest.fixture(scope="module")
def pair(models, built):
    """A compiled model and the eager one, by task."""
    made = {}

    def get(task):
        if task not in made:
            compiled = getattr(neuronbuild, TASKS[task].model_class).from_pretrained(built.releases[task])
            eager = getattr(transformers, TASKS[task].auto_class).from_pretrained(models[task]).eval()
            made[task] = compiled, eager
        return made[task]

    return get


@torch.no_grad()
def assert_alike(compiled, eager, **inputs):
    output, expected = compiled(**inputs), eager(**inputs)
    assert set(output) == {name for graph in TASKS[compiled.task].graphs for name in graph.outputs}
    for name in output:
        assert output[name].dtype is torch.float32
        assert output[name].shape == expected[name].shape, name
        assert torch.allclose(output[name], expected[name], atol=1e-4), name
    return output


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("task", PICTURES)
def test_pictures_give_what_eager_pytorch_gives(pair, task, batch):
    assert_alike(*pair(task), pixel_values=noise(batch, 3, *PICTURES[task], seed=batch))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("task", SOUND)
def test_sound_of_the_compiled_length_gives_what_eager_pytorch_gives(pair, task, batch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_alike(*pair(task), input_values=noise(batch, 400, seed=batch))


@pytest.mark.parametrize("length", [399, 390, 200, 40])
@pytest.mark.parametrize("task", ["automatic-speech-recognition", "audio-frame-classification"])
def test_frames_are_cut_back_to_those_of_the_length_given(pair, task, length):
    compiled, eager = pair(task)
    with pytest.warns(UserWarning, match="padding changes this model's results"):
        output = compiled(input_values=noise(2, length))
    with torch.no_grad():
        assert output.logits.shape == eager(input_values=noise(2, length)).logits.shape


@pytest.mark.parametrize(("texts", "images"), [(3, 2), (1, 1), (2, 1), (3, 1)])
def test_texts_and_images_are_two_batches(pair, texts, images):
    tokens = torch.randint(4, 120, (texts, 9), generator=torch.Generator().manual_seed(texts))
    tokens[:, 6] = 3
    mask = torch.ones_like(tokens)
    mask[:, 7:] = 0
    compiled, eager = pair("zero-shot-image-classification")
    assert_alike(compiled, eager, input_ids=tokens, pixel_values=noise(images, 3, 32, 32), attention_mask=mask)


def test_a_picture_of_another_size_is_refused_and_told_what_to_do(pair):
    compiled, _ = pair("image-classification")
    for height, width in ((31, 32), (33, 32), (32, 16)):
        with pytest.raises(ShapeError, match=f"height={height}, width={width} fit no compiled shape") as caught:
            compiled(pixel_values=noise(1, 3, height, width))
        assert "resize images to a compiled width and height" in caught.value.hint


def test_more_pictures_or_longer_sound_than_compiled_are_refused(pair):
    with pytest.raises(ShapeError, match="batch_size=3") as caught:
        pair("image-classification")[0](pixel_values=noise(3, 3, 32, 32))
    assert "dynamic_batch_size" in caught.value.hint
    with pytest.raises(ShapeError, match="audio_sequence_length=401"):
        pair("audio-classification")[0](input_values=noise(1, 401))


@pytest.mark.parametrize(
    ("task", "inputs", "message"),
    [
        ("image-classification", {}, "the input pixel_values is missing"),
        ("image-classification", {"pixel_valves": noise(1, 3, 32, 32)}, "unknown input pixel_valves"),
        ("image-classification", {"pixel_values": noise(3, 32, 32)}, "pixel_values has 3 dimensions; the graph takes 4"),
        ("image-classification", {"pixel_values": torch.ones(1, 3, 32, 32, dtype=torch.uint8)}, "must hold floating-point"),
        ("image-classification", {"pixel_values": [[1.0]]}, "pixel_values is a list, not a tensor"),
        ("audio-classification", {"input_values": noise(400)}, "input_values has 1 dimension; the graph takes 2"),
        (
            "audio-classification",
            {"input_values": noise(1, 400), "attention_mask": torch.tensor([[1] * 300 + [0] * 100])},
            "takes no attention_mask",
        ),
        ("zero-shot-image-classification", {"input_ids": torch.ones(1, 4).long()}, "the input pixel_values is missing"),
    ],
)
def test_inputs_of_the_wrong_kind_are_named_with_their_processor(pair, task, inputs, message):
    with pytest.raises(InputError, match=message) as caught:
        pair(task)[0](**inputs)
    assert caught.value.hint


@pytest.fixture(scope="module")
def spectrograms(built, tmp_path_factory):
    """A model that reads spectrograms, its folder and its release, from a recipe."""
    root = tmp_path_factory.mktemp("spectrograms")
    make_sense_model(root / "model", "audio-classification", SPECTROGRAMS)
    shapes = {"batch_size": 1, "audio_sequence_length": 40}
    write_recipe(root / "recipes/one.yaml", model="../model", shapes=shapes)
    done = run_cli("apply", "--cache", built.cache, cwd=root)
    assert done.returncode == 0, done.stderr
    return root / "model", root / "releases/one-cpu"


def test_spectrograms_are_heard_as_by_eager_pytorch(spectrograms):
    folder, release = spectrograms
    eager = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    compiled = neuronbuild.NeuronModelForAudioClassification.from_pretrained(release)
    heard = compiled.processor(noise(9_000).numpy(), sampling_rate=16_000, return_tensors="pt")
    assert heard["input_values"].shape == (1, 40, 24)
    assert_alike(compiled, eager, **heard)


@pytest.mark.parametrize("frames", [39, 41])
def test_a_recipe_for_spectrograms_of_another_length_is_refused(spectrograms, tmp_path, frames):
    shapes = {"batch_size": 1, "audio_sequence_length": frames}
    write_recipe(tmp_path / "recipes/one.yaml", model=str(spectrograms[0]), shapes=shapes)
    done = run_cli("plan", cwd=tmp_path)
    assert done.returncode == 2
    assert "one.yaml:" in done.stderr
    assert "audio_sequence_length must be 40: this model reads features of just so many frames" in done.stderr


def test_spectrograms_of_another_length_or_with_other_bins_are_refused(spectrograms):
    compiled = neuronbuild.NeuronModelForAudioClassification.from_pretrained(spectrograms[1])
    with pytest.raises(ShapeError, match="audio_sequence_length=41"):
        compiled(input_values=noise(1, 41, 24))
    with pytest.raises(InputError, match=r"input_values has shape \[1, 40, 25\]; this model takes \[1, 40, 24\]"):
        compiled(input_values=noise(1, 40, 25))
    with pytest.raises(InputError, match="input_values has 2 dimensions; the graph takes 3"):
        compiled(input_values=noise(1, 16_000))


def test_two_batches_are_not_split_and_a_recipe_that_asks_for_it_is_refused(models, tmp_path):
    shapes = {"text_batch_size": 3, "image_batch_size": 2, "sequence_length": 24}
    model = str(models["zero-shot-image-classification"])
    write_recipe(tmp_path / "recipes/clip.yaml", model=model, shapes=shapes, dynamic_batch_size=True)
    done = run_cli("plan", cwd=tmp_path)
    assert done.returncode == 2
    assert "zero-shot-image-classification has no batch_size to split" in done.stderr


def test_a_mask_that_leaves_nothing_out_says_nothing(pair):
    compiled, _ = pair("audio-classification")
    sound = noise(1, 400)
    masked = compiled(input_values=sound, attention_mask=torch.ones(1, 400, dtype=torch.int64))
    assert torch.equal(masked.logits, compiled(input_values=sound).logits)


def test_that_padding_changes_results_stands_on_the_card(built):
    assert "Padding changes this model's results" in (built.releases["audio-xvector"] / "README.md").read_text()
    assert "Padding changes" not in (built.releases["image-classification"] / "README.md").read_text()
