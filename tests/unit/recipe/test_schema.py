from __future__ import annotations

import pytest
from pydantic import ValidationError

from neuronbuild.recipe.schema import Compiler, Recipe, Workspace, plain_name
from neuronbuild.tasks import TASKS


def recipe(**keys):
    return Recipe.model_validate({"model": "org/name", **keys})


def refusal(kind=Recipe, **keys):
    """The messages with which these keys are refused."""
    with pytest.raises(ValidationError) as caught:
        kind.model_validate({"model": "org/name", **keys} if kind is Recipe else keys)
    return "; ".join(fault["msg"] for fault in caught.value.errors())


def test_a_model_is_enough():
    made = recipe()
    assert (made.platforms, made.dtype, made.num_cores, made.weights, made.task) == (("cpu",), "float32", 1, None, None)
    assert (made.compiler.auto_cast, made.compiler.optlevel, made.shapes.axes) == ("none", 2, {})


def test_one_size_needs_no_list():
    assert recipe(shapes={"batch_size": 8, "sequence_length": [64]}).shapes.axes == {
        "batch_size": (8,),
        "sequence_length": (64,),
    }


def test_axes_keep_the_order_in_which_they_are_written():
    assert list(recipe(shapes={"sequence_length": 1, "batch_size": 1, "exclude": []}).shapes.axes) == [
        "sequence_length",
        "batch_size",
    ]


@pytest.mark.parametrize("size", [0, -1, True, 1.0, "8", None, [], [1, "8"], [True], {"from": 1}, 1 << 25])
def test_a_size_is_a_whole_number_of_at_least_one(size):
    assert refusal(shapes={"batch_size": size})


@pytest.mark.parametrize("key", ["model", "name", "revision", "task", "dtype", "weights"])
@pytest.mark.parametrize("value", [1, 1.5, True, ["a"], {"a": "b"}])
def test_words_are_text(key, value):
    assert refusal(**{key: value})


@pytest.mark.parametrize("key", ["dynamic_batch_size", "trust_remote_code"])
@pytest.mark.parametrize("value", [0, 1, "yes", None, []])
def test_a_switch_is_true_or_false(key, value):
    assert refusal(**{key: value})


@pytest.mark.parametrize("task", TASKS)
def test_every_task_may_be_asked_for(task):
    assert recipe(task=task).task == task


def test_an_unknown_task_is_told_the_nearest():
    assert "unknown task 'fil-mask'; did you mean 'fill-mask'?" in refusal(task="fil-mask")


@pytest.mark.parametrize("platform", ["inf1", "inf2", "trn1", "trn1n", "trn2", "trn3", "cpu"])
def test_every_platform_may_be_asked_for(platform):
    assert recipe(platforms=[platform]).platforms == (platform,)


def test_a_platform_is_asked_for_once():
    assert "named twice" in refusal(platforms=["inf2", "cpu", "inf2"])


def test_no_platform_is_no_recipe():
    assert refusal(platforms=[])


@pytest.mark.parametrize("name", ["a", "MiniLM-L6_v2.1", "0", "x" * 200])
def test_a_plain_name_names_a_folder(name):
    assert plain_name(name) == recipe(name=name).name == recipe(release={"name": name}).release.name == name


@pytest.mark.parametrize("name", ["a/b", "..", ".a", "-a", "a b", "é", "a\n", "a\\b", "x" * 201, "CON:"])
def test_another_name_names_none(name):
    assert "can't be a folder's name" in refusal(name=name)
    assert "can't be a folder's name" in refusal(release={"name": name})


def test_a_long_name_is_not_repeated_at_length():
    assert len(refusal(name="x" * 100_000)) < 300


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"platforms": ["inf2"], "weights": "separate", "dynamic_batch_size": True}, "on inf2; use `weights: inline`"),
        ({"platforms": ["cpu"], "weights": "inline"}, "isn't supported on cpu"),
        ({"platforms": ["inf2", "cpu"], "weights": "inline"}, "give cpu a recipe of its own"),
        ({"platforms": ["cpu"], "compiler": {"auto_cast": "all", "auto_cast_type": "tf32"}}, "tf32 isn't supported on cpu"),
        ({"platforms": ["cpu"], "compiler": {"extra_args": ["--x"]}}, "is for Neuron platforms"),
        ({"platforms": ["cpu"], "num_cores": 2}, "is for Neuron platforms"),
    ],
)
def test_pairs_that_cannot_work_are_refused_with_a_way_out(keys, words):
    assert words in refusal(**keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"platforms": ["inf2"], "weights": "inline", "dynamic_batch_size": True},
        {"platforms": ["inf2"], "weights": "separate"},
        {"platforms": ["cpu"], "weights": "separate", "dynamic_batch_size": True},
        {"platforms": ["cpu"], "compiler": {"auto_cast_type": "tf32"}},
        {"platforms": ["cpu", "trn2"], "compiler": {"auto_cast": "matmul", "auto_cast_type": "fp16"}},
        {
            "platforms": ["trn1"],
            "num_cores": 2,
            "compiler": {"extra_args": ["--x"], "auto_cast": "all", "auto_cast_type": "fp8_e4m3"},
        },
    ],
)
def test_pairs_that_work_are_let_through(keys):
    assert recipe(**keys)


def test_a_recipe_is_never_changed():
    with pytest.raises(ValidationError, match="frozen"):
        recipe().model = "other"


@pytest.mark.parametrize(
    "keys", [{"limits": {"jobs": 0}}, {"limits": {"timeout": 0}}, {"isa": "x86-64-v9"}, {"defaults": []}, {"x": 1}]
)
def test_a_workspace_is_as_strict(keys):
    assert refusal(Workspace, **keys)


def test_an_empty_workspace_has_defaults():
    assert (Workspace().cache, Workspace().limits.timeout, Workspace().defaults) == (None, 7200, {})


def test_the_json_schema_has_every_key():
    assert set(Recipe.model_json_schema()["properties"]) == set(Recipe.model_fields)


@pytest.mark.parametrize("level", [True, 2.0, 1.0, False])
def test_what_equals_a_level_is_not_yet_one(level):
    with pytest.raises(ValidationError, match="should be 1, 2 or 3, not"):
        Compiler(optlevel=level)
