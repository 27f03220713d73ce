from __future__ import annotations

import json

import pytest

from neuronbuild.errors import UsageError
from neuronbuild.recipe.idle import FILE, IDLE, is_idle, refuse_others, settle
from neuronbuild.recipe.schema import Recipe
from neuronbuild.recipe.words import REASONS, RENAMED
from tests.conftest import ROOT

WORDS = json.loads((ROOT / "tests/golden/optimum_words.json").read_text())
NAMED = {"<NEURON_FILE_NAME>": FILE[0], "<HUGGINGFACE_HUB_CACHE>": None}
"""Constants that are defaults, by their names."""

LOADING = [
    (call, name, NAMED.get(default, default) if isinstance(default, str) else default)
    for call, keywords in WORDS["calls"].items()
    if call.endswith("_from_pretrained")
    for name, default in keywords.items()
]


@pytest.mark.parametrize(("call", "name", "default"), LOADING)
def test_every_keyword_with_which_optimum_neuron_loads_asks_for_nothing_at_its_default(call, name, default):
    assert settle(call, {name: default}, export=False) == {}


@pytest.mark.parametrize("name", sorted(IDLE.keys() - {"_commit_hash"}))
def test_a_keyword_at_another_value_is_a_key_of_recipes_or_told_with_what_to_do(name):
    assert settle("call", {name: object()}).keys() == {name}
    assert name in {*REASONS, *RENAMED, *Recipe.model_fields, "local_files_only"}


@pytest.mark.parametrize(("name", "value"), [("force_download", 0), ("subfolder", b""), ("revision", "v1"), ("optlevel", None)])
def test_a_value_that_only_looks_like_one_that_asks_for_nothing_is_kept(name, value):
    assert settle("call", {name: value}) == {name: value}


def test_arguments_in_mappings_stand_beside_the_others():
    given = {"compiler_args": {"auto_cast": "all", "subfolder": ""}, "input_shapes": {"batch_size": 1}, "jobs": 2}
    assert settle("call", given) == {"auto_cast": "all", "batch_size": 1, "jobs": 2}


@pytest.mark.parametrize("empty", [{}, None])
def test_an_empty_mapping_asks_for_nothing_even_where_nothing_is_compiled(empty):
    assert settle("call", {"compiler_args": empty, "input_shapes": empty}, export=False) == {}


@pytest.mark.parametrize(
    ("given", "export", "words"),
    [
        ({"compiler_args": {"jobs": 1}, "jobs": 2}, True, "call: jobs is given twice"),
        ({"jobs": 1, "compiler_args": {"jobs": 1}}, True, "call: jobs is given twice"),
        ({"input_shapes": [1]}, True, "call: input_shapes should be a mapping"),
        ({"input_shapes": {"batch_size": 1}}, False, "call: input_shapes can't be given without export=True"),
    ],
)
def test_a_mapping_that_cant_be_is_told(given, export, words):
    with pytest.raises(UsageError, match=words):
        settle("call", given, export=export)


def test_a_token_that_is_used_in_any_case_asks_for_nothing(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert is_idle("token", "hf_mine")
    assert is_idle("use_auth_token", True)
    assert not is_idle("token", "hf_other")
    assert not is_idle("token", False)
    monkeypatch.delenv("HF_TOKEN")
    assert not is_idle("token", "hf_mine")


def test_what_a_call_doesnt_take_is_told_with_what_to_do_or_with_the_nearest():
    with pytest.raises(UsageError, match=r"^call: unknown argument 'force_download'; what was downloaded is checked"):
        refuse_others("call", ["force_download"], ["model"])
    with pytest.raises(UsageError, match=r"^call: unknown argument 'modle'; did you mean 'model'\?"):
        refuse_others("call", ["modle"], ["model"])
    refuse_others("call", [], ["model"])
