from __future__ import annotations

import json

import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer

import neuronbuild
from neuronbuild.errors import ReleaseError
from neuronbuild.models.preprocessors import load_tokenizer
from neuronbuild.release.folder import write_release
from neuronbuild.runtime import reader
from tests.conftest import MESSAGES
from tests.unit.release.made import made_request, trust_of
from tests.unit.release.requests import no_job
from tests.unit.runtime.releases import alter_index, copy_release, list_anew, read_index


def load(built, task):
    return neuronbuild.open_model(built.releases[task])


def without(built, task, tmp_path, *names):
    """A release that never had some files."""
    release = copy_release(built.releases[task], tmp_path)
    index = read_index(release)
    alter_index(release, files=tuple(file for file in index.files if file.path not in names))
    for name in names:
        (release / name).unlink()
    return neuronbuild.open_model(release)


@pytest.mark.parametrize(
    ("task", "kinds"),
    [
        ("text-classification", ["BertTokenizer"]),
        ("image-classification", ["ViTImageProcessorPil"]),
        ("audio-classification", ["Wav2Vec2FeatureExtractor"]),
        ("automatic-speech-recognition", ["Wav2Vec2CTCTokenizer", "Wav2Vec2Processor"]),
        ("zero-shot-image-classification", ["CLIPTokenizer", "CLIPProcessor"]),
        ("speech-seq2seq", ["WhisperTokenizer", "WhisperProcessor"]),
    ],
)
def test_a_release_gives_what_it_carries(built, task, kinds):
    model = load(built, task)
    assert [type(each).__name__ for each in model.preprocessors] == kinds
    assert model.preprocessors[-1] is (model.tokenizer if "Tokenizer" in kinds[-1] else model.processor)


def test_a_processor_is_loaded_once(built):
    model = load(built, "image-classification")
    assert model.processor is model.processor


def test_images_are_made_of_the_size_that_was_compiled_where_they_would_keep_their_proportions(built):
    model = load(built, "object-detection")
    pixels = model.processor(images=[Image.new("RGB", (70, 20))], return_tensors="pt")
    assert list(pixels) == ["pixel_values"]
    assert pixels["pixel_values"].shape == (1, 3, 32, 48)
    assert model(**pixels).pred_boxes.shape == (1, 5, 4)


def test_images_of_any_shape_fit_the_graph(built):
    for task in ("image-classification", "semantic-segmentation"):
        model = load(built, task)
        pixels = model.processor(images=Image.new("RGB", (91, 33), (9, 99, 200)), return_tensors="pt")
        assert torch.isfinite(model(**pixels).logits).all()


def test_a_release_without_a_processor_says_so(built, tmp_path):
    model = without(built, "image-classification", tmp_path, "preprocessor_config.json")
    assert model.preprocessors == []
    with pytest.raises(ReleaseError, match="it carries no processor") as caught:
        _ = model.processor
    assert "apply again" in caught.value.hint


def test_a_release_without_a_tokenizer_says_so(built):
    with pytest.raises(ReleaseError, match="it carries no tokenizer"):
        _ = load(built, "image-classification").tokenizer


def test_a_damaged_processor_is_told(built, tmp_path):
    release = copy_release(built.releases["image-classification"], tmp_path)
    (release / "preprocessor_config.json").write_text("{")
    list_anew(release, "preprocessor_config.json")
    with pytest.raises(ReleaseError, match="its processor can't be loaded"):
        _ = neuronbuild.open_model(release).processor


def test_a_file_that_was_put_in_after_loading_isnt_used(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "check_host", lambda *_: None)
    request, store = made_request(tmp_path, trust_of(tmp_path))
    write_release(request, store, no_job)
    release = reader.read_release(request.folder)
    assert load_tokenizer(release).chat_template is None
    (request.folder / "chat_template.jinja").write_text("{{ other }}")
    with pytest.raises(ReleaseError, match=r"chat_template.jinja isn't listed"):
        load_tokenizer(release)


def test_every_chat_template_of_the_model_is_in_its_release(built, models):
    theirs, ours = AutoTokenizer.from_pretrained(models["text-generation"]), load(built, "text-generation").tokenizer
    assert set(theirs.chat_template) == {"default", "rag", "tool use"}
    for name in theirs.chat_template:
        expected = theirs.apply_chat_template(MESSAGES, tokenize=False, chat_template=name)
        assert ours.apply_chat_template(MESSAGES, tokenize=False, chat_template=name) == expected != name


def test_a_tokenizer_that_brings_its_own_code_is_refused_without_asking(built, tmp_path):
    release = copy_release(built.releases["text-generation"], tmp_path)
    config = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}}
    text = json.dumps({**json.loads((release / "tokenizer_config.json").read_text()), **config})
    (release / "tokenizer_config.json").unlink()
    (release / "tokenizer_config.json").write_text(text)
    list_anew(release, "tokenizer_config.json")
    with pytest.raises(ReleaseError, match="its tokenizer can't be loaded"):
        _ = neuronbuild.open_model(release).tokenizer
