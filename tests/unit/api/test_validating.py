from __future__ import annotations

import pytest

from neuronbuild.api.settings import Settings
from neuronbuild.api.validating import validate
from neuronbuild.recipe.load import load_recipes
from tests.conftest import TEXT, write_recipe


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """What is wrong with a recipe, one line a fault."""
    monkeypatch.chdir(tmp_path)

    def faults(settings: Settings | None = None, **keys):
        (tmp_path / "recipes/model").mkdir(parents=True, exist_ok=True)
        document = {"model": "./model", "task": "fill-mask", "shapes": TEXT, **keys}
        located = load_recipes([write_recipe(tmp_path / "recipes/r.yaml", **document)])
        return [issue.message for issue in validate(located, settings or Settings())]

    return faults


def test_nothing_is_wrong_with_a_recipe_whose_model_is_there(faults):
    assert faults() == []
    assert faults(model="org/on-the-hub", platforms=["inf2", "inf1", "cpu"]) == []


@pytest.mark.parametrize("model", ["./nowhere", "../nowhere", "/nowhere", "./model/deep.gguf", "package:no_such_module/x"])
def test_a_model_that_isnt_there_is_told(faults, model):
    [told] = faults(model=model)
    assert told.startswith(f"model {model}: ")


def test_a_lora_that_isnt_there_is_told_at_its_key(faults):
    [told] = faults(model="org/pipeline", task="text-to-image", lora="./nowhere", platforms=["inf2"],
                    shapes={"batch_size": 1, "height": 64, "width": 64})  # fmt: skip
    assert told.startswith("model ./nowhere: ")


def test_a_folder_nearby_is_mentioned(faults, tmp_path):
    (tmp_path / "my-bert").mkdir()
    [told] = faults(model="./my-bert")
    assert "write `model: ../my-bert`" in told


@pytest.mark.parametrize(
    ("flags", "platform", "text"),
    [
        (["--lnc=2"], "inf2", "--lnc=2 is for trn2 and trn3"),
        (["--hum"], "trn1", "neuronx-cc has no flag --hum"),
        (["--optlevel=1"], "trn2", "is said by the recipe's key compiler.optlevel"),
        (["--hum"], "inf1", "neuron-cc (inf1) can't be given '--hum'"),
        (["fast"], "inf2", "'fast' is no flag"),
    ],
)
@pytest.mark.parametrize("task", ["fill-mask", None])
def test_flags_that_a_compiler_doesnt_know_are_told_with_and_without_a_task(faults, task, flags, platform, text):
    [told] = faults(task=task, platforms=[platform], compiler={"extra_args": flags})
    assert text in told


def test_flags_are_those_of_the_pinned_release(faults):
    newer = {"platforms": ["inf2"], "compiler": {"extra_args": ["--native-int64=enabled"]}}
    assert faults(**newer) == []
    [told] = faults(Settings(sdk="2.31.0"), **newer)
    assert "came with neuronx-cc 2.27" in told


def test_what_is_wrong_on_two_platforms_is_told_once(faults):
    assert len(faults(platforms=["inf2", "trn1"], compiler={"extra_args": ["--hum"]})) == 1
