from __future__ import annotations

import pytest

from neuronbuild.tasks import ALIASES, AXES, FAMILIES, TASKS, infer_task


def test_the_axes_of_all_tasks_are_known_once():
    assert len(set(AXES)) == len(AXES)
    assert set(AXES) == {axis for task in TASKS.values() for axis in task.axes}


def test_an_alias_is_the_name_of_no_task():
    assert not set(ALIASES) & set(TASKS)
    assert ALIASES["image-segmentation"] == "semantic-segmentation"


def test_no_two_tasks_of_a_family_share_a_suffix():
    for family in FAMILIES.values():
        suffixes = [suffix for task in family.tasks for suffix in TASKS[task].suffixes]
        assert len(set(suffixes)) == len(suffixes)


@pytest.mark.parametrize(
    ("architectures", "task"),
    [
        (["BertForMaskedLM"], "fill-mask"),
        (["XLMWithLMHeadModel"], "fill-mask"),
        (["BertForPreTraining"], "feature-extraction"),
        (["FlaubertForQuestionAnsweringSimple"], "question-answering"),
        (["BertLMHeadModelOwn", "BertForTokenClassification"], "token-classification"),
        (["LlamaForCausalLM"], "text-generation"),
        (["GPT2LMHeadModel"], "text-generation"),
        (["LevitForImageClassificationWithTeacher"], "image-classification"),
        (["GPT2LMHead"], None),
        ([], None),
    ],
)
def test_a_task_is_inferred_from_class_names(architectures, task):
    assert infer_task(architectures, sentence_transformers=False) == task


@pytest.mark.parametrize(
    ("family", "name", "task"),
    [
        ("wav2vec2", "Wav2Vec2ForSequenceClassification", "audio-classification"),
        ("bert", "BertForSequenceClassification", "text-classification"),
        ("clip", "CLIPModel", "zero-shot-image-classification"),
        ("bert", "BertModel", "feature-extraction"),
        ("gpt2", "GPT2Model", "feature-extraction"),
    ],
)
def test_the_family_decides_where_two_tasks_share_an_ending(family, name, task):
    assert infer_task([name], FAMILIES[family].tasks, sentence_transformers=False) == task


def test_a_sentence_transformers_model_embeds_sentences():
    assert infer_task(["BertModel"], sentence_transformers=True) == "sentence-similarity"
