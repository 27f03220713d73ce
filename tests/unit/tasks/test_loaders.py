from __future__ import annotations

import pytest

from neuronbuild.release.layout import compiled_by
from neuronbuild.tasks import FAMILIES, TASKS, families_for
from neuronbuild.tasks.images import IMAGE_TASKS
from neuronbuild.tasks.loaders import LOADERS, REFUSALS, Compiled, left_out, outputs_of, refusal, remarks
from tests.senses import CASES
from tests.unit.plan.cases import BERT, make_action

TYPES = {"token_type_ids"}
IMAGES = {"batch_size": 1, "height": 64, "width": 96, "num_channels": 3}
PLAIN_WEIGHTS = {"model.safetensors": "5" * 64}

UNKNOWN = {("modernbert", "multiple-choice"), ("modernbert", "question-answering"), ("deberta-v2", "multiple-choice")}
"""What is planned here and isn't in the registry there."""


def action(task, family="bert", sizes=None, **options):
    config = {**BERT, "model_type": family} if (family, task) not in CASES else {"model_type": family, **CASES[family, task][0]}
    given = sizes or CASES.get((family, task), (None, {"batch_size": 1, "sequence_length": 16, "num_choices": 2}))[1]
    return make_action(task=task, config=config, sizes=given, weights=options.pop("weights", PLAIN_WEIGHTS), **options).record


def compiled(*arguments, **options) -> Compiled:
    return compiled_by([action(*arguments, **options)])


def inputs_of(made) -> list[str]:
    return [entry.name for entry in made.inputs]


@pytest.mark.parametrize(
    "family", ["albert", "bert", "convbert", "deberta", "deberta-v2", "electra", "mobilebert", "roformer", "mpnet"]
)
def test_sentence_embeddings_take_the_two_inputs_that_are_passed_there(family):
    made = action("sentence-similarity", family)
    assert inputs_of(made) == ["input_ids", "attention_mask"]
    assert refusal(compiled_by([made])) is None


@pytest.mark.parametrize("family", ["xlm", "flaubert"])
def test_an_input_stays_where_zeros_are_not_the_same_as_none_and_the_loader_is_said_to_lack_it(family):
    made = action("sentence-similarity", family)
    assert (inputs_of(made)[-1], made.model.no_token_types) == ("token_type_ids", -1)
    assert "optimum-neuron passes none for sentence embeddings" in refusal(compiled_by([made]))


@pytest.mark.parametrize(("family", "size", "taken"), [("deberta", 0, False), ("deberta", 2, True), ("deberta-v2", 0, True)])
def test_a_model_without_token_types_takes_none_where_the_loader_asks_for_none(family, size, taken):
    config = {**BERT, "model_type": family, "type_vocab_size": size}
    made = make_action(task="fill-mask", config=config)
    assert ("token_type_ids" in inputs_of(made.record)) == taken
    assert ("token_type_ids" in left_out("fill-mask", FAMILIES[family], config)) != taken


@pytest.mark.parametrize(
    ("task", "family", "further"),
    [
        ("object-detection", "yolos", ["last_hidden_state"]),
        (
            "zero-shot-image-classification",
            "clip",
            [f"{part}_model_output.{name}" for part in ("text", "vision") for name in ("last_hidden_state", "pooler_output")],
        ),
        ("image-classification", "vit", []),
    ],
)
def test_outputs_that_only_its_classes_read_are_given_where_it_may_load_them(task, family, further):
    own = outputs_of(TASKS[task])
    assert outputs_of(TASKS[task], "neuronx") == list(action(task, family).model.outputs) == [*own, *further]
    assert not set(own) & set(further)


@pytest.mark.parametrize("task", [task.name for task in IMAGE_TASKS])
def test_further_outputs_have_dimensions_as_others_do(task):
    [graph] = TASKS[task].graphs
    assert all(graph.axes_of(name) == axes for name, axes in graph.further.items())


def test_what_is_planned_is_loaded_there_or_is_known_not_to_be():
    planned = {(family, task) for task in LOADERS for family in families_for(task)}
    assert {(family, task) for family, task in planned if family not in LOADERS[task].families} == UNKNOWN
    assert {task.name for task in TASKS.values() if len(task.graphs) == 1} == set(LOADERS)


@pytest.mark.parametrize(("family", "task"), sorted(UNKNOWN))
def test_a_type_of_model_that_isnt_known_there_is_refused(family, task):
    assert refusal(compiled(task, family)) == REFUSALS[-1].sentence


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"task": "fill-mask", "weights": None}, "Its weights lie apart"),
        ({"task": "text-generation", "config": {"model_type": "gpt2"}, "graph": "decode"}, "Its graphs keep a cache"),
    ],
)
def test_what_cant_be_loaded_is_said_with_its_reason(made, words):
    sizes = {"batch_size": 1, "sequence_length": 16, "prefill_length": 8, "num_beams": 1}
    planned = make_action(**{"weights": PLAIN_WEIGHTS, "sizes": sizes, **made})
    assert refusal(compiled_by([planned.record])).startswith(words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fill-mask", "bert"), ["Give token_type_ids in every call"]),
        (("fill-mask", "roberta"), []),
        (("fill-mask", "deberta"), ["This model has no token types"]),
        (("image-classification", "convnext"), []),
        (("image-classification", "convnext", IMAGES), ["It takes images of the compiled size"]),
        (("zero-shot-image-classification", "clip"), ["Its class cuts no rows off"]),
    ],
)
def test_what_has_to_be_known_of_calls_is_said(arguments, words):
    said = remarks(compiled(*arguments))
    assert [text for text, word in zip(said, words, strict=True) if text.startswith(word)] == list(said)
