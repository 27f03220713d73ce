from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild.artifact.action import (
    CheckAction,
    CompilerPart,
    Lora,
    ModelPart,
    UnknownAction,
    action_key,
    document_of,
)
from neuronbuild.artifact.codec import parse_action
from neuronbuild.digest import digest_json
from tests.unit.artifact.actions import compile_action, convert_action

WEIGHTS = {"model.safetensors": "5" * 64}
PIPELINE = ModelPart("AutoPipelineForText2Image", {"model_type": "FluxPipeline"}, controlnets=1, lora=(Lora("ink.bin", 1.0),))
ACTIONS = {
    "compile": compile_action(),
    "compile with weights inside": compile_action(weights=WEIGHTS),
    "compile of a pipeline": compile_action(model=PIPELINE, weights=WEIGHTS),
    "convert": convert_action(WEIGHTS),
    "check": CheckAction("0" * 64, {"model.pt2": "1" * 64}, WEIGHTS),
    "unknown": UnknownAction({"kind": "link", "weights": WEIGHTS}),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_read_as_it_was_written(name):
    action = ACTIONS[name]
    stored = json.loads(json.dumps(action.document()))
    assert parse_action(stored) == action
    assert action_key(parse_action(stored)) == digest_json(stored).sha256


@pytest.mark.parametrize(
    "change",
    [
        {"novelty": 1},
        {"model": {"auto_class": "AutoModel"}},
        {"model": {**document_of(PIPELINE), "novelty": None}},
        {"shape": {"batch_size": "1"}},
        {"shape": {"batch_size": True}},
        {"inputs": [{"name": "a", "dtype": "int64"}]},
        {"weights": "inside"},
        {"kind": "link"},
        {"kind": None},
        {"compiler": {"arguments": "-O1"}},
        {"toolchain": {"name": "inductor"}},
    ],
)
def test_a_document_of_another_version_is_kept_as_it_is(change):
    document = {**compile_action().document(), **change}
    action = parse_action(document)
    assert isinstance(action, UnknownAction)
    assert action.document() == document


@pytest.mark.parametrize("document", [None, [], "compile", 3])
def test_what_is_no_object_is_no_action(document):
    with pytest.raises(ValueError, match="an action is a JSON object"):
        parse_action(document)


def test_what_an_action_doesnt_say_is_not_in_its_document():
    assert compile_action().document()["model"] == {"auto_class": "AutoModelForMaskedLM", "config": {"model_type": "bert"}}
    assert document_of(CompilerPart(dynamic_batch_size=False)) == {"dynamic_batch_size": False}


@pytest.mark.parametrize(
    ("name", "checkpoint"),
    [("compile", {}), ("compile with weights inside", WEIGHTS), ("convert", WEIGHTS), ("check", WEIGHTS), ("unknown", WEIGHTS)],
)
def test_files_of_a_checkpoint_that_went_in_are_told(name, checkpoint):
    assert ACTIONS[name].checkpoint == checkpoint


def test_a_pipelines_type_is_its_class_and_a_model_may_say_none():
    assert (PIPELINE.model_type, ModelPart("AutoModel", {}).model_type) == ("FluxPipeline", "")


def test_locks_know_a_models_part_by_its_digest():
    part = compile_action().model
    assert part.digest == digest_json(document_of(part)).sha256 != replace(part, attention="eager").digest
