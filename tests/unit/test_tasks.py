from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest

from neuronbuild.tasks import AXES, BATCH, CHOICES, FAMILIES, SEQUENCE, TASKS, infer_task, input_names

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 40,
    "pad_token_id": 1,
    "max_position_embeddings": 24,
}
UNBOUNDED = {"modernbert"}
"""Families whose positions are rotations: nothing breaks past the stated length."""

ZEROS_SAY_SOMETHING = {"flaubert", "xlm"}
"""Families that look token types up among the words: all zeros are word 0, and not the same as none."""

every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@pytest.fixture(scope="module")
def hub():
    """torch and transformers, imported once; and the config and model classes by family and task."""
    import torch
    import transformers

    def config_class(family):
        return transformers.CONFIG_MAPPING[family.model_type]

    def model_class(family, task):
        return getattr(transformers, task.auto_class)._model_mapping.get(config_class(family), None)

    return SimpleNamespace(torch=torch, config_class=config_class, model_class=model_class)


def tasks_of(family):
    return [task for task in TASKS.values() if task.name not in family.tasks_without]


def tiny_model(hub, family):
    """A model of one layer in evaluation mode, and the longest sequence that the table promises for it."""
    config = hub.config_class(family)(**TINY)
    model = hub.model_class(family, TASKS["feature-extraction"])(config).eval()
    return model, TINY["max_position_embeddings"] - family.positions


def read(hub, model, length, **inputs):
    with hub.torch.no_grad():
        return model(input_ids=hub.torch.full((1, length), 7), **inputs)[0]


@every_family
def test_a_family_has_classes_for_the_tasks_that_it_claims_and_no_others(hub, family):
    left_out = {"multiple-choice"} if family.model_type in ZEROS_SAY_SOMETHING else set()
    there = [task for task in TASKS.values() if hub.model_class(family, task) and task.name not in left_out]
    assert there == tasks_of(family)


@every_family
def test_the_attention_is_the_fastest_that_the_classes_have(hub, family):
    has = {hub.model_class(family, task)._supports_sdpa for task in tasks_of(family)}
    assert has == {family.attention == "sdpa"}


@every_family
def test_a_class_takes_every_input_of_the_table(hub, family):
    for task in tasks_of(family):
        taken = inspect.signature(hub.model_class(family, task).forward).parameters
        assert set(input_names(task, family)) <= set(taken), task.name


@every_family
def test_the_task_is_inferred_from_the_class_that_transformers_gives(hub, family):
    for task in tasks_of(family):
        name = hub.model_class(family, task).__name__
        expected = "feature-extraction" if task.name == "sentence-similarity" else task.name
        assert infer_task([name], sentence_transformers=False) == expected


@every_family
def test_a_family_reads_sequences_up_to_its_longest(hub, family):
    model, longest = tiny_model(hub, family)
    assert read(hub, model, longest).shape[1] == longest


@every_family
def test_one_token_more_than_the_longest_is_too_many(hub, family):
    model, longest = tiny_model(hub, family)
    if family.model_type in UNBOUNDED:
        read(hub, model, longest + 1)
    else:
        with pytest.raises((IndexError, RuntimeError)):
            read(hub, model, longest + 1)


@every_family
def test_token_types_of_zeros_and_none_at_all_are_the_same(hub, family):
    model, _ = tiny_model(hub, family)
    if "token_type_ids" in inspect.signature(model.forward).parameters:
        zeros = read(hub, model, 8, token_type_ids=hub.torch.zeros((1, 8), dtype=hub.torch.int64))
        same = hub.torch.equal(zeros, read(hub, model, 8))
        assert same == (family.model_type not in ZEROS_SAY_SOMETHING)
        assert same or not family.token_types


@every_family
def test_a_family_without_token_types_is_given_none(family):
    for task in tasks_of(family):
        assert ("token_type_ids" in input_names(task, family)) == family.token_types


def test_rows_are_filed_under_their_names():
    assert list(TASKS) == [task.name for task in TASKS.values()]
    assert list(FAMILIES) == [family.model_type for family in FAMILIES.values()]


def test_the_axes_of_all_tasks_are_known_once():
    assert AXES == (BATCH, SEQUENCE, CHOICES)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_input_and_output_dimension_has_an_axis_of_the_task(task):
    assert set(task.input_axes) == set(task.axes)
    assert {axis for axes in task.outputs.values() for axis in axes} <= {*task.axes, None}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_can_be_done_by_some_family(task):
    assert any(task.name not in family.tasks_without for family in FAMILIES.values())


def test_tasks_that_a_family_lacks_are_tasks():
    assert {name for family in FAMILIES.values() for name in family.tasks_without} <= set(TASKS)


def test_no_two_tasks_share_a_suffix():
    suffixes = [suffix for task in TASKS.values() for suffix in task.suffixes]
    assert len(set(suffixes)) == len(suffixes)


@pytest.mark.parametrize(
    ("architectures", "task"),
    [
        (["BertForMaskedLM"], "fill-mask"),
        (["XLMWithLMHeadModel"], "fill-mask"),
        (["BertForPreTraining"], "feature-extraction"),
        (["FlaubertForQuestionAnsweringSimple"], "question-answering"),
        (["BertLMHeadModelOwn", "BertForTokenClassification"], "token-classification"),
        (["GPT2LMHead"], None),
        ([], None),
    ],
)
def test_a_task_is_inferred_from_class_names(architectures, task):
    assert infer_task(architectures, sentence_transformers=False) == task


def test_a_sentence_transformers_model_embeds_sentences():
    assert infer_task(["BertModel"], sentence_transformers=True) == "sentence-similarity"
