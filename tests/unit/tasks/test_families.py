from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest

from neuronbuild.tasks import FAMILIES, OWN_TASKS, TASKS, families_for, graph_inputs, infer_task, tasks_of
from neuronbuild.tasks.families import GENERATION, TEXT

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
every_text_family = pytest.mark.parametrize(
    "family", [f for f in FAMILIES.values() if set(f.tasks) & set(TEXT)], ids=lambda family: family.model_type
)


@pytest.fixture(scope="module")
def hub():
    """torch and transformers, imported once; and the config and model classes by family and task."""
    import torch
    import transformers

    def config_class(family):
        return transformers.CONFIG_MAPPING[family.model_type]

    def model_classes(family, task):
        found = getattr(transformers, TASKS[task].auto_class)._model_mapping.get(config_class(family), ())
        return found if isinstance(found, tuple) else (found,)

    def model_class(family, task):
        return next(iter(model_classes(family, task)), None)

    return SimpleNamespace(torch=torch, config_class=config_class, model_class=model_class, model_classes=model_classes)


def tiny_model(hub, family):
    """A model of one layer in evaluation mode, and the longest sequence that the table promises for it."""
    config = hub.config_class(family)(**TINY)
    model = hub.model_class(family, "feature-extraction")(config).eval()
    return model, TINY["max_position_embeddings"] - family.positions


def read(hub, model, length, **inputs):
    with hub.torch.no_grad():
        return model(input_ids=hub.torch.full((1, length), 7), **inputs)[0]


@every_family
def test_a_family_has_classes_for_the_tasks_that_it_claims(hub, family):
    assert [task for task in tasks_of(family) if hub.model_class(family, task) is None] == []


@every_text_family
def test_a_text_encoder_claims_all_that_its_classes_can_do(hub, family):
    left_out = {"multiple-choice"} if family.model_type in ZEROS_SAY_SOMETHING else set()
    assert tasks_of(family) == [task for task in TEXT if hub.model_class(family, task) and task not in left_out]


@every_family
def test_the_attention_is_the_fastest_that_the_classes_have(hub, family):
    has = {hub.model_class(family, task)._supports_sdpa for task in tasks_of(family)}
    assert has == {family.attention == "sdpa"}


@every_family
def test_a_class_takes_every_input_of_the_table(hub, family):
    for task in tasks_of(family):
        taken = inspect.signature(hub.model_class(family, task).forward).parameters
        names = {entry.name for entry in graph_inputs(TASKS[task].graphs[0], family)}
        assert names - {"cache_start", "last_token"} <= set(taken), task


@every_family
def test_the_task_is_inferred_from_the_class_that_transformers_gives(hub, family):
    for task in tasks_of(family):
        expected = "feature-extraction" if task == "sentence-similarity" else task
        for kind in hub.model_classes(family, task):
            assert infer_task([kind.__name__], family.tasks, sentence_transformers=False) == expected


@every_family
def test_variants_are_the_further_classes_of_a_task(hub, family):
    further = {kind.__name__ for task in tasks_of(family) for kind in hub.model_classes(family, task)[1:]}
    assert set(family.variants) == further


@every_text_family
def test_a_family_reads_sequences_up_to_its_longest(hub, family):
    model, longest = tiny_model(hub, family)
    assert read(hub, model, longest).shape[1] == longest


@every_text_family
def test_one_token_more_than_the_longest_is_too_many(hub, family):
    model, longest = tiny_model(hub, family)
    if family.model_type in UNBOUNDED:
        read(hub, model, longest + 1)
    else:
        with pytest.raises((IndexError, RuntimeError)):
            read(hub, model, longest + 1)


@every_text_family
def test_token_types_of_zeros_are_the_same_as_none_or_the_graph_takes_them(hub, family):
    model, _ = tiny_model(hub, family)
    if "token_type_ids" in inspect.signature(model.forward).parameters:
        zeros = read(hub, model, 8, token_type_ids=hub.torch.zeros((1, 8), dtype=hub.torch.int64))
        same = hub.torch.equal(zeros, read(hub, model, 8))
        assert same == (family.model_type not in ZEROS_SAY_SOMETHING)
        assert family.token_types or same


@every_text_family
def test_a_family_without_token_types_is_given_none(family):
    for task in tasks_of(family):
        names = [entry.name for entry in graph_inputs(TASKS[task].graphs[0], family)]
        assert ("token_type_ids" in names) == family.token_types


def test_rows_are_filed_under_their_names_in_order():
    assert list(FAMILIES) == [family.model_type for family in FAMILIES.values()]
    assert list(FAMILIES) == sorted(FAMILIES)


@pytest.mark.parametrize("task", OWN_TASKS)
def test_a_task_can_be_done_by_some_family(task):
    assert families_for(task)


def test_dimensions_of_a_familys_own_are_those_of_inputs_that_its_tasks_have():
    for family in FAMILIES.values():
        names = {entry.name for task in family.tasks for graph in TASKS[task].graphs for entry in graph.inputs}
        assert set(family.dims) <= names


def test_a_familys_own_dimensions_take_the_place_of_the_tables():
    [own] = graph_inputs(TASKS["audio-classification"].graphs[0], FAMILIES["audio-spectrogram-transformer"])
    [other] = graph_inputs(TASKS["audio-classification"].graphs[0], FAMILIES["hubert"])
    assert own.axes == ("batch_size", "audio_sequence_length", "num_mel_bins")
    assert other.axes == ("batch_size", "audio_sequence_length")


def test_what_families_do_are_tasks():
    assert {name for family in FAMILIES.values() for name in family.tasks} <= set(TASKS)


def test_the_families_that_generate_text_are_the_promised_ones():
    promised = {"llama", "qwen2", "qwen3", "gpt2", "mistral", "phi3", "gemma", "smollm3", "opt"}
    assert promised <= {name for name, family in FAMILIES.items() if family.tasks == GENERATION}
