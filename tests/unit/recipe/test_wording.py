from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from neuronbuild.recipe.schema import Recipe, Workspace
from neuronbuild.recipe.wording import describe
from tests.conftest import ROOT

WORDS = json.loads((ROOT / "tests/golden/optimum_words.json").read_text())
OF_OPTIMUM = {
    *WORDS["options"],
    *WORDS["shapes"],
    *WORDS["adapters"],
    *(name for call, keywords in WORDS["calls"].items() for name in keywords if not call.endswith("push_to_hub")),
} - {"-m"}
"""What optimum-neuron 0.4.5 takes: the command that exports, and its calls."""

OF_FILES = """
checkpoint_id checkpoint_revision max_batch_size continuous_batching speculation_length tp_degree ep_degree pp_degree
max_context_length on_device_sampling max_topk fused_qkv target prefill_chunk_size compiler_type compiler_version float_dtype
int_dtype static_batch_size static_sequence_length use_auth_token repository_id ip_adapter_id
"""
"""What stands in the block in its `config.json` and in `neuron_config.json`, and what guides of earlier versions say."""


def wording(kind, document):
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(document)
    return [describe(fault, kind) for fault in caught.value.errors()]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"modle": "x"}, "unknown key 'modle'; did you mean 'model'?"),
        ({"compiler": {"optlevl": 1}}, "unknown key 'optlevl'; did you mean 'optlevel'?"),
        ({"release": {"nam": "x"}}, "unknown key 'nam'; did you mean 'name'?"),
        ({"release": {"zzz": "x"}}, "unknown key 'zzz'; known: name, layout"),
        ({"compiler": {"optlevel": 4}}, "compiler.optlevel: should be 1, 2 or 3"),
        ({"compiler": {"auto_cast": "matmull"}}, "unknown compiler.auto_cast 'matmull'; did you mean 'matmul'?"),
        ({"dtype": "float23"}, "unknown dtype 'float23'; did you mean 'float32'?"),
        ({"platforms": ["imf2"]}, "unknown platform 'imf2'; did you mean 'inf2'?"),
        ({"platforms": ["trn1.32xlarge"]}, "unknown platform 'trn1.32xlarge'; did you mean 'trn1'?"),
        ({"platforms": "inf2"}, "platforms: should be a list"),
        ({"platforms": []}, "platforms: should have at least one item"),
        ({"compiler": "fast"}, "compiler: should be a mapping of keys to values"),
        ({"shapes": [1]}, "shapes: should be a mapping of keys to values"),
        ({"shapes": {"exclude": {"batch_size": 1}}}, "shapes.exclude: should be a list"),
        ({"shapes": {"include": [3]}}, "shapes.include.0: should be a mapping of keys to values"),
        ({"shapes": {"batch_size": 0}}, "shapes.batch_size.0: should be greater than or equal to 1"),
        ({"name": "a/b"}, "name: 'a/b' can't be a folder's name: use letters, digits, '.', '-' and '_', at most 200"),
        ({"model": ""}, "model: should not be empty"),
        ({"num_cores": "2"}, "num_cores: should be a valid integer"),
        ({"num_cores": "08"}, "num_cores: 08 isn't a number in YAML because it begins with 0: write 8"),
    ],
)
def test_a_finding_is_told_in_a_recipe_authors_words(keys, text):
    assert text in wording(Recipe, {"model": "x", **keys})


@pytest.mark.parametrize("word", sorted({*OF_OPTIMUM, *OF_FILES.split()}))
def test_every_word_of_optimum_neuron_is_ours_or_told_with_what_to_do(word):
    texts = [] if word in Recipe.model_fields else wording(Recipe, {"model": "x", word: 1})
    for text in texts:
        assert text.startswith(f"unknown key {word!r}; ")
        assert "known: " not in text


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"tensor_parallel_size": 2}, "unknown key 'tensor_parallel_size'; here it is `num_cores`"),
        ({"instance_type": "trn1"}, "unknown key 'instance_type'; here it is `platforms`"),
        ({"torch_dtype": "bf16"}, "unknown key 'torch_dtype'; here it is `dtype`"),
        ({"torch_dtyp": "bf16"}, "unknown key 'torch_dtyp'; did you mean 'torch_dtype'? here it is `dtype`"),
        ({"sequence_length": 8}, "unknown key 'sequence_length'; it stands under `shapes`"),
        ({"static_batch_size": 8}, "unknown key 'static_batch_size'; it stands under `shapes`"),
        ({"optlevel": 1}, "unknown key 'optlevel'; it stands under `compiler`"),
        ({"dynamic-batch-size": True}, "unknown key 'dynamic-batch-size'; did you mean 'dynamic_batch_size'?"),
        ({"compiler": {"tensor_parallel_size": 2}}, "here it is `num_cores` (at the top of a recipe)"),
        ({"cache": "x"}, "it is a setting of the workspace: in neuronbuild.yaml"),
        ({"jobs": 2}, "in neuronbuild.yaml, under `limits`"),
        ({"lora": [{"model": "x", "weight_name": "y"}]}, "unknown key 'weight_name'; did you mean 'weights'?"),
        ({"task": "stable-diffusion"}, "here it is text-to-image, image-to-image or inpainting"),
        ({"task": "latent-consistency"}, "here it is text-to-image"),
        ({"--auto_cast": "matmul"}, "unknown key '--auto_cast'; it stands under `compiler`"),
        ({"--disable-validation": True}, "every build and release is compared with eager PyTorch: leave it out"),
        ({"--dynamic-batch-size": True}, "did you mean 'dynamic_batch_size'?"),
        ({"-O1": True}, "here it is `optlevel` (under `compiler`): -O1 is 1"),
        ({"inline_weights_to_neff": False}, "here it is `weights`: true is `inline`, false is `separate`"),
        ({"lora_scales": [1.0]}, "here it is `lora`: a list, each with its `model`, `weights` and `scale`"),
        ({"input_shapes": {}}, "its keys stand under `shapes`"),
        ({"unet_id": "x"}, "give the pipeline that holds this unet as `model`"),
        ({"weights": True}, "unknown weights 'True'; here it is inline"),
        ({"compiler": {"auto_cast": False}}, "unknown compiler.auto_cast 'False'; here it is none"),
        ({"dtype": "fp32"}, "unknown dtype 'fp32'; here it is float32"),
        ({"compiler": {"auto_cast_type": "float16"}}, "unknown compiler.auto_cast_type 'float16'; here it is fp16"),
    ],
)
def test_a_word_of_another_place_or_tool_is_told_with_ours(document, text):
    [told] = wording(Recipe, {"model": "x", **document})
    assert text in told


@pytest.mark.parametrize(("value", "text"), [(2.31, None), (2.3, "2.30")])
def test_a_release_of_the_sdk_that_isnt_text_is_told_with_those_there_are(value, text):
    with pytest.raises(ValidationError) as caught:
        Workspace.model_validate({"sdk": value})
    [fault] = caught.value.errors()
    told = describe(fault, Workspace, text)
    assert "in quotes" in told
    assert ('"2.31.1" or "2.31.0"' if text is None else '"2.30.0"') in told


def test_text_that_yaml_reads_as_a_number_is_to_be_quoted():
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({"model": "x", "revision": 1.5})
    [fault] = caught.value.errors()
    assert describe(fault, Recipe, "1.50").startswith('revision: write "1.50", in quotes')
    assert describe(fault, Recipe) == "revision: should be a valid string"  # a value in Python has no quotes to want


def test_a_missing_key_is_named():
    assert wording(Recipe, {}) == ["the key 'model' is missing"]


def test_a_pair_that_cannot_work_needs_no_key():
    [text] = wording(Recipe, {"model": "x", "weights": "inline"})
    assert text.startswith("`weights: inline` isn't supported on cpu")


def test_a_workspaces_keys_are_known_too():
    assert wording(Workspace, {"limits": {"jbos": 1}, "cahce": "x"}) == [
        "unknown key 'jbos'; did you mean 'jobs'?",
        "unknown key 'cahce'; did you mean 'cache'?",
    ]


def test_no_wording_speaks_of_pydantic_or_python():
    messy = {
        "model": 1,
        "shapes": {"include": "x", "exclude": [[]], "batch_size": None},
        "platforms": {},
        "compiler": [],
        "task": [],
    }
    for text in wording(Recipe, messy):
        assert not any(word in text.lower() for word in ("tuple", "dict", "pydantic", "instance", "input"))
