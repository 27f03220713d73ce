from __future__ import annotations

import json

import pytest

from neuronbuild.api.subjects import planning_documents, subject_of
from neuronbuild.plan.pipeline import Additions
from neuronbuild.plan.subject import SubjectError
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.local import FolderSource
from tests.conftest import write_sentence_modules
from tests.tools.pipelines import write_pipeline


def model(folder):
    return FolderSource(folder.parent, DigestMemory(None)).resolve(str(folder), None)


@pytest.fixture
def bert(tmp_path):
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert/config.json").write_text(
        json.dumps({"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 32})
    )
    return tmp_path / "bert"


def test_a_plain_model_needs_its_config_alone(bert):
    assert planning_documents(model(bert)) == {}
    assert subject_of(model(bert), None).task.name == "feature-extraction"


def test_sentence_embeddings_need_their_modules(bert):
    write_sentence_modules(bert)
    (bert / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')
    (bert / "config_sentence_transformers.json").write_text("{}")
    settings = {"sentence_bert_config.json", "config_sentence_transformers.json"}
    assert set(planning_documents(model(bert))) == {"modules.json", "1_Pooling/config.json", *settings}
    kinds = [step["kind"] for step in subject_of(model(bert), None).model.sentence_modules]
    assert kinds == ["Pooling", "Normalize"]


@pytest.mark.parametrize("file", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_plain_model_whose_texts_would_go_into_a_chat_is_refused(bert, file):
    (bert / file).write_text(json.dumps({"chat_template": "{{ messages }}"}))
    with pytest.raises(SubjectError, match=rf"{file}: .*template of chats") as caught:
        subject_of(model(bert), "sentence-similarity")
    assert caught.value.key == "task"
    assert subject_of(model(bert), "feature-extraction").task.name == "feature-extraction"
    (bert / file).write_text(json.dumps({"chat_template": None}))
    if file.endswith(".json"):
        assert subject_of(model(bert), "sentence-similarity").task.name == "sentence-similarity"


def test_a_pipeline_needs_its_tokenizers_config(tmp_path):
    pipeline = model(write_pipeline(tmp_path / "sd"))
    assert set(planning_documents(pipeline)) == {"tokenizer/tokenizer_config.json"}
    found = subject_of(pipeline, "text-to-image")
    assert (found.longest, found.family.model_type) == (77, "StableDiffusionPipeline")


@pytest.mark.parametrize(("additions", "key"), [(Additions((("a", 1.0),)), "lora"), (Additions(controlnets=1), "controlnet")])
def test_nothing_is_added_to_other_models(bert, additions, key):
    with pytest.raises(SubjectError, match="is for pipelines of diffusers") as caught:
        subject_of(model(bert), None, additions)
    assert caught.value.key == key
