from __future__ import annotations

import inspect
import itertools
from types import SimpleNamespace

import pytest

from neuronbuild.tasks import AXES, BATCH, CHOICES, FAMILIES, SEQUENCE, TASKS, infer_task, input_names

CLAIMS = [
    pytest.param(family, task, id=f"{family.model_type}-{task.name}")
    for family, task in itertools.product(FAMILIES.values(), TASKS.values())
    if task.name not in family.tasks_without
]
ABSENT = [(family, name) for family in FAMILIES.values() for name in family.tasks_without]

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


@pytest.fixture(scope="module")
def hub():
    """torch and transformers, imported once; and the config and model classes by family and task."""
    import torch
    import transformers

    def config_class(family):
        return transformers.CONFIG_MAPPING[family.model_type]

    def model_class(family, task):
        classes = getattr(transformers, task.auto_class)._model_mapping
        kind = config_class(family)
        return classes[kind] if kind in classes else None

    return SimpleNamespace(torch=torch, config_class=config_class, model_class=model_class)


def tiny_model(hub, family):
    """A model of one layer in evaluation mode, and the longest sequence that the table promises for it."""
    config = hub.config_class(family)(**TINY)
    model = hub.model_class(family, TASKS["feature-extraction"])(config).eval()
    return model, TINY["max_position_embeddings"] - family.positions


def read(hub, model, length):
    with hub.torch.no_grad():
        return model(input_ids=hub.torch.full((1, length), 7))[0]


@pytest.mark.parametrize(("family", "task"), CLAIMS)
def test_a_family_has_a_class_for_every_task_it_claims(hub, family, task):
    assert hub.model_class(family, task) is not None


@pytest.mark.parametrize(("family", "name"), ABSENT)
def test_a_task_that_a_family_lacks_has_no_class(hub, family, name):
    assert hub.model_class(family, TASKS[name]) is None


@pytest.mark.parametrize(("family", "task"), CLAIMS)
def test_the_attention_is_the_fastest_that_the_class_has(hub, family, task):
    assert family.attention == ("sdpa" if hub.model_class(family, task)._supports_sdpa else "eager")


@pytest.mark.parametrize(("family", "task"), CLAIMS)
def test_a_class_takes_every_input_of_the_table(hub, family, task):
    taken = inspect.signature(hub.model_class(family, task).forward).parameters
    assert set(input_names(task, family)) <= set(taken)


@pytest.mark.parametrize(("family", "task"), CLAIMS)
def test_the_task_is_inferred_from_the_class_that_transformers_gives(hub, family, task):
    name = hub.model_class(family, task).__name__
    expected = "feature-extraction" if task.name == "sentence-similarity" else task.name
    assert infer_task([name], sentence_transformers=False) == expected


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_reads_sequences_up_to_its_longest(hub, family):
    model, longest = tiny_model(hub, family)
    assert read(hub, model, longest).shape[1] == longest


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_one_token_more_than_the_longest_is_too_many(hub, family):
    model, longest = tiny_model(hub, family)
    if family.model_type in UNBOUNDED:
        read(hub, model, longest + 1)
    else:
        with pytest.raises((IndexError, RuntimeError)):
            read(hub, model, longest + 1)


def test_a_second_sentence_matters_only_to_families_with_token_types(hub):
    for family in FAMILIES.values():
        names = input_names(TASKS["feature-extraction"], family)
        assert ("token_type_ids" in names) == family.token_types


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
