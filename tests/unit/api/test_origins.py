from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.api import Settings, load_recipes
from neuronbuild.api.origins import Origins
from neuronbuild.api.prepare import Context, lock, prepare
from neuronbuild.artifact.fields import canonical_fields
from neuronbuild.errors import ToolchainError
from neuronbuild.recipe.schema import Interpreter
from neuronbuild.toolchain.inductor import Inductor
from tests.unit.api.explained import make_workspace

RECIPE = """model: ../model
task: fill-mask
platforms: [cpu, inf2]
shapes:
  batch_size: 2
  sequence_length: 16
compiler:
  auto_cast: matmul
"""
DEFAULTS = "defaults:\n  compiler:\n    optlevel: 1\n"


@pytest.fixture
def settings(tmp_path):
    return replace(Settings(), cache=str(tmp_path / "cache"), scratch=tmp_path / "scratch", sdk="2.31.0")


def origins_of(recipe, settings, platform="cpu"):
    """What is said of each path of the first action for a platform."""
    context = Context.open(settings)
    each = next(
        each for each in prepare(load_recipes([recipe], defaults=settings.defaults), context) if each.platform == platform
    )
    origins = Origins(context, each)
    return {".".join(path): origins.of(path) for path, _ in canonical_fields(each.steps[0][1].document)}


def test_what_a_recipe_says_comes_from_its_line(tmp_path, settings):
    file = make_workspace(tmp_path, RECIPE)
    found = origins_of(file, settings)
    places = {
        "task": 2, "toolchain.platform": 3, "shape.batch_size": 5, "shape.sequence_length": 6, "compiler.auto_cast": 8,
    }  # fmt: skip
    assert {path: found[path] for path in places} == {path: f"{file}:{line}" for path, line in places.items()}
    assert origins_of(file, settings, "inf2")["compiler.arguments"] == f"{file}:7"


def test_defaults_are_named_with_their_file_and_those_of_the_workspace_as_such(tmp_path, settings):
    file = make_workspace(tmp_path, RECIPE)
    (tmp_path / "recipes/defaults.yaml").write_text(DEFAULTS)
    found = origins_of(file, replace(settings, defaults={"dtype": "float32", "compiler": {"auto_cast": "none", "optlevel": 3}}))
    assert found["compiler.optlevel"] == f"defaults of {tmp_path}/recipes/defaults.yaml:3"
    assert found["compiler.auto_cast"] == f"{file}:8"
    assert found["dtype"] == "defaults of neuronbuild.yaml"


def test_what_nobody_says_is_a_default_or_comes_from_the_model(tmp_path, settings):
    file = make_workspace(tmp_path, "model: ../model\nshapes: {batch_size: 1, sequence_length: 8}\n")
    found = origins_of(file, settings)
    assert (
        found["dtype"] == found["compiler.optlevel"] == found["weights"] == found["toolchain.name"] == "default of neuronbuild"
    )
    assert found["task"] == found["model.config.hidden_size"] == "the model's config"
    assert found["model.config.layer_norm_eps"] == "default of the model family"
    assert found["graph"] == found["model.outputs"] == "the task"


def test_labels_are_counted_from_the_config(tmp_path, settings):
    labels = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}}
    file = make_workspace(tmp_path, RECIPE.replace("fill-mask", "text-classification"), **labels)
    assert origins_of(file, settings)["model.config.num_labels"] == "the model's config"


def test_a_size_of_a_point_that_is_included_comes_from_that_list(tmp_path, settings):
    file = make_workspace(tmp_path, "model: ../model\nshapes:\n  include:\n  - {batch_size: 1, sequence_length: 8}\n")
    assert origins_of(file, settings)["shape.batch_size"] == f"{file}:3"


def test_weights_that_are_compiled_in_are_the_models_files(tmp_path, settings):
    file = make_workspace(tmp_path, RECIPE)
    assert origins_of(file, settings, "inf2")["weights.model.safetensors"] == "the model's files"
    file.write_text(RECIPE.replace("[cpu, inf2]", "[inf2]") + "weights: separate\n")
    assert origins_of(file, settings, "inf2")["weights"] == f"{file}:9"


def test_versions_of_a_pinned_release_come_from_the_table_unless_the_workspace_corrects_them(tmp_path, settings):
    file = make_workspace(tmp_path, RECIPE)
    own = {"neuronx": Interpreter(versions={"libneuronxla": "3.0.1"})}
    found = origins_of(file, replace(settings, interpreters=own), "inf2")
    assert found["toolchain.versions.neuronx-cc"] == "SDK 2.31.0, as neuronbuild's table has it"
    assert found["toolchain.versions.libneuronxla"] == "neuronbuild.yaml, toolchains.neuronx.versions"


def test_what_is_installed_is_told_from_what_is_locked(tmp_path, settings, monkeypatch):
    file = make_workspace(tmp_path, RECIPE.replace(", inf2", ""))
    locked = replace(settings, lock=tmp_path / "neuronbuild.lock")
    assert origins_of(file, locked)["toolchain.versions.torch"] == "installed here"
    lock(load_recipes([file]), locked)

    def refuse(self, platform):
        raise ToolchainError("inductor", "torch isn't installed")

    monkeypatch.setattr(Inductor, "fingerprint", refuse)
    assert origins_of(file, locked)["toolchain.versions.torch"] == "neuronbuild.lock"


def test_the_instruction_set_is_this_machines_or_the_workspaces(tmp_path, settings):
    file = make_workspace(tmp_path, RECIPE)
    found = origins_of(file, settings)
    assert found["toolchain.flags.march"] == found["toolchain.flags.machine"] == "this machine"
    assert found["toolchain.flags.inductor.cpp.threads"] == "default of neuronbuild"
    found = origins_of(file, replace(settings, isa="x86-64-v3"))
    assert (found["toolchain.flags.march"], found["toolchain.flags.machine"]) == ("neuronbuild.yaml, isa", "this machine")


def test_every_value_of_an_action_comes_from_somewhere(tmp_path, settings):
    file = make_workspace(tmp_path, RECIPE)
    assert all(origins_of(file, settings).values())
    assert all(origins_of(file, settings, "inf2").values())
