from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.api.prepare import Context, make_full_plan, plan, prepare
from neuronbuild.errors import RecipeError, SourceError, SourcesError, StoreError, ToolchainError
from neuronbuild.recipe.load import load_recipes
from tests.conftest import SHAPES, TEXT, make_model, write_recipe
from tests.doubles.hub import HubDouble, lead_client_to


def test_what_is_known_is_a_hit_and_the_rest_a_miss(settings, recipe):
    made = plan(recipe(shapes={"batch_size": 2, "sequence_length": [16, 24]}), settings)
    assert [step.state for step in made.steps] == ["hit", "miss"]
    assert [step.reason for step in made.steps] == ["in the store", "not in the store"]


def test_a_model_and_a_toolchain_are_asked_once_for_all_recipes(settings, recipe):
    context = Context.open(settings)
    one, other = prepare([*recipe("one"), *recipe("other")], context)
    assert one.model is other.model
    assert one.fingerprint is other.fingerprint
    assert one.steps[0][1].key == other.steps[0][1].key
    assert len(make_full_plan([one, other], context.store).steps) == 2


def test_faults_of_all_recipes_are_told_at_once(settings, recipe):
    wrong = recipe("long", shapes={"batch_size": 1, "sequence_length": 100})
    wrong += recipe("axes", shapes={"batch_size": 1})
    wrong += recipe("choices", task="multiple-choice")
    with pytest.raises(RecipeError) as caught:
        prepare(wrong, Context.open(settings))
    assert [issue.message for issue in sorted(caught.value.issues, key=lambda issue: issue.path)] == [
        "fill-mask needs batch_size, sequence_length; missing: sequence_length",
        "multiple-choice needs batch_size, sequence_length, num_choices; missing: num_choices",
        "sequence_length 100 is longer than this model can read: 66 tokens",
    ]


def test_the_length_that_a_model_can_read_is_allowed(settings, recipe):
    assert plan(recipe(shapes={"batch_size": 1, "sequence_length": 66}), settings).misses


def test_positions_that_a_family_sets_aside_count(settings, recipe, tmp_path):
    model = str(make_model(tmp_path / "roberta", "AutoModelForMaskedLM", "roberta"))
    assert plan(recipe(model=model, shapes={"batch_size": 1, "sequence_length": 64}), settings).misses
    with pytest.raises(RecipeError, match="sequence_length 65 is longer than this model can read: 64 tokens"):
        plan(recipe(model=model, shapes={"batch_size": 1, "sequence_length": 65}), settings)


def test_the_task_is_told_from_the_model_where_it_isnt_given(settings, recipe, models):
    for task, model in models.items():
        steps = plan(recipe(model=str(model), shapes=SHAPES.get(task, TEXT)), settings).steps
        assert {(step.target.task, step.state) for step in steps} == {(task, "hit")}


def test_a_model_type_that_isnt_supported_is_told_at_the_recipes_key(settings, recipe, tmp_path):
    (tmp_path / "gpt2").mkdir()
    (tmp_path / "gpt2/config.json").write_text('{"model_type": "gpt2", "architectures": ["GPT2Model"]}')
    with pytest.raises(RecipeError, match="model type 'gpt2' isn't supported for feature-extraction; supported: albert"):
        plan(recipe(model=str(tmp_path / "gpt2")), settings)


def test_only_the_platforms_that_are_wanted_are_looked_at(settings, recipe):
    both = recipe(platforms=["inf2", "cpu"])
    assert len(plan(both, replace(settings, platforms=("cpu",))).steps) == 1
    with pytest.raises(ToolchainError, match="there is no Neuron SDK here"):
        plan(both, settings)


def test_what_cant_be_opened_is_told_by_its_own_error(settings, recipe, tmp_path):
    with pytest.raises(SourceError, match="there is no folder"):
        plan(recipe(model="./nowhere"), settings)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="it is a file"):
        plan(recipe(), replace(settings, cache=str(tmp_path / "file")))


def test_all_models_that_cant_be_found_are_told_at_once_each_at_its_place(settings, recipe):
    lost = [*recipe("a", model="./nowhere"), *recipe("b"), *recipe("c", model="./nowhere", shapes={"batch_size": 1})]
    with pytest.raises(SourcesError) as caught:
        plan(lost, settings)
    places = [f"{located.path}:{located.document.place(('model',))[0]}:1: model ./nowhere: " for located in (lost[0], lost[2])]
    assert [line.startswith(place) for line, place in zip(caught.value.message.splitlines(), places, strict=True)] == [
        True,
        True,
    ]
    assert caught.value.hint == "paths count from the recipe's own folder"


def test_models_are_told_beside_what_is_wrong_with_recipes(settings, recipe):
    with pytest.raises(RecipeError) as caught:
        plan([*recipe("a", model="./nowhere"), *recipe("b", shapes={"batch_size": 1})], settings)
    assert ["there is no folder" in issue.message for issue in caught.value.issues] == [True, False]


def test_relative_models_count_from_the_recipes_folder(settings, recipe, models, tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/model").symlink_to(models["fill-mask"])
    monkeypatch.chdir("/")
    assert [step.state for step in plan(recipe(model="./model"), settings).steps] == ["hit"]


def test_a_lower_isa_is_another_action(settings, recipe):
    keys = [plan(recipe(), replace(settings, isa=isa)).steps[0].action.key for isa in (None, "x86-64-v3", "x86-64-v4")]
    assert keys[1] != keys[2]
    assert keys[0] in keys[1:]


def test_other_options_are_other_actions_and_other_names_are_not(settings, recipe):
    def key(**keys):
        return plan(recipe(**keys), settings).steps[0].action.key

    same = [key(), key(name="other"), key(release={"name": "x"}), key(dynamic_batch_size=True)]
    other = [
        key(compiler={"optlevel": 1}),
        key(compiler={"optlevel": 3}),
        key(dtype="float16"),
        key(compiler={"auto_cast": "all"}),
    ]
    assert len(set(same)) == 1
    assert len({same[0], *other}) == 5


def test_a_length_that_nobody_asked_for_is_told(settings, tmp_path, models, caplog):
    model = str(models["text-generation"])
    for name, shapes in (("silent", {"batch_size": 1}), ("asked", {"batch_size": 1, "sequence_length": 16})):
        write_recipe(tmp_path / f"{name}.yaml", model=model, task="text-generation", shapes=shapes)
        plan(load_recipes([tmp_path / f"{name}.yaml"]), settings)
    (record,) = caplog.records
    assert record.getMessage() == "silent: no sequence_length is given; taking 66 tokens"


def test_offline_the_hub_isnt_asked_for_a_model(settings, recipe, tmp_path, monkeypatch):
    with HubDouble() as hub:
        lead_client_to(hub.endpoint, tmp_path, monkeypatch)
        with pytest.raises((SourceError, SourcesError), match="local_files_only is set"):
            plan(recipe(model="org/some-model"), replace(settings, offline=True))
    assert hub.requests == []
