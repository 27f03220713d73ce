from __future__ import annotations

import pytest
import transformers

import neuronbuild
from neuronbuild.api.loaded import task_of, type_of
from neuronbuild.errors import UsageError

TINY = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 8,
    "vocab_size": 16,
    "max_position_embeddings": 16,
}


def tiny(name: str, **more):
    kind = getattr(transformers, name)
    return kind(kind.config_class(**TINY, **more))


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("BertForSequenceClassification", "text-classification"),
        ("BertForMaskedLM", "fill-mask"),
        ("BertModel", "feature-extraction"),
        ("LlamaForCausalLM", "text-generation"),
    ],
)
def test_a_loaded_model_tells_its_task_and_type_by_its_class(name, task):
    model = tiny(name)
    assert task_of(model) == task
    assert type_of(model) == model.config.model_type
    assert task_of(type(model)) == task
    assert type_of(type(model)) == model.config.model_type


def test_a_class_that_somebody_derived_tells_what_its_base_does():
    class Mine(transformers.BertForTokenClassification):
        pass

    assert task_of(Mine(Mine.config_class(**TINY))) == "token-classification"


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("AutoModelForQuestionAnswering", "question-answering"),
        ("AutoModel", "feature-extraction"),
        ("WhisperForConditionalGeneration", "speech-seq2seq"),
        ("CLIPModel", "zero-shot-image-classification"),
        ("Wav2Vec2ForSequenceClassification", "audio-classification"),
    ],
)
def test_a_class_tells_its_task(kind, task):
    assert task_of(getattr(transformers, kind)) == task


def test_our_own_classes_tell_theirs():
    assert task_of(neuronbuild.NeuronModelForCTC) == "automatic-speech-recognition"
    assert task_of(neuronbuild.NeuronSentenceTransformers) == "sentence-similarity"


def test_what_other_libraries_load_tells_its_task_by_its_class():
    assert task_of(type("SentenceTransformer", (), {})()) == "sentence-similarity"
    pipeline = type("StableDiffusionXLPipeline", (), {"config": {}})()
    assert (task_of(pipeline), type_of(pipeline)) == ("text-to-image", "StableDiffusionXLPipeline")


@pytest.mark.parametrize("model", [object(), 3, None, type("MyModel", (), {})(), transformers.BertForNextSentencePrediction])
def test_what_tells_no_task_is_told(model):
    with pytest.raises(UsageError, match="the task can't be told from a "):
        task_of(model)


def test_a_model_whose_type_isnt_supported_for_its_task_is_told():
    with pytest.raises(
        UsageError, match="LlamaForQuestionAnswering: model type 'llama' isn't supported for question-answering"
    ):
        task_of(tiny("LlamaForQuestionAnswering"))


def test_what_tells_no_type_is_told():
    with pytest.raises(UsageError, match="the model type can't be told from a object: give model_type"):
        type_of(object())
