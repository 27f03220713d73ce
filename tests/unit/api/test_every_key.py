"""Every key of a recipe and of a workspace, and every argument of `from_pretrained`, changes something, or is refused.

The tables below name what each changes; a field that is added and stands in none of them fails a test.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import typing
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel

from neuronbuild import api
from neuronbuild.api.prepare import Context, prepare
from neuronbuild.api.requests import release_request
from neuronbuild.api.settings import Settings, workspace_settings
from neuronbuild.errors import NeuronBuildError, RecipeError, SourceError, ToolchainError, UsageError
from neuronbuild.models.export import ALIASES, ARGUMENTS, OFFLINE, SETTINGS_KEYS, _settings, make_recipe
from neuronbuild.recipe.schema import Recipe, Workspace
from neuronbuild.tasks import AXES
from neuronbuild.toolchain.registry import open_toolchain
from tests.conftest import ROOT, TEXT, write_recipe
from tests.tools.pipelines import write_controlnet, write_lora, write_pipeline

SDK = "2.26.1"


def fields(kind: type[BaseModel], prefix: str = "") -> list[str]:
    """Every field of a document, those of the documents in it with the key that leads there."""
    found = []
    for name, field in kind.model_fields.items():
        inner = [each for each in _types(field.annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
        found += [f"{prefix}{name}", *itertools.chain(*(fields(each, f"{prefix}{name}.") for each in inner))]
    return found


def _types(annotation: object) -> list[object]:
    return [annotation, *itertools.chain(*map(_types, typing.get_args(annotation)))]


@pytest.fixture(scope="module")
def pieces(models, tmp_path_factory):
    """Models by a word each."""
    root = tmp_path_factory.mktemp("pieces")
    write_pipeline(root / "pictures")
    write_lora(root / "lora")
    write_lora(root / "lora", "other.safetensors")
    write_lora(root / "lora2")
    write_controlnet(root / "net")
    write_controlnet(root / "net2")
    (root / "net2/config.json").write_text((root / "net2/config.json").read_text().replace("}", ', "own": 1}', 1))
    made = {name: str(root / name) for name in ("pictures", "lora", "lora2", "net", "net2")}
    return {
        **made,
        "encoder": str(models["fill-mask"]),
        "other": str(models["feature-extraction"]),
        "generator": str(models["text-generation"]),
    }


@pytest.fixture
def outcome(pieces, tmp_path):
    """All that a recipe's keys come to: what is compiled, and what its releases are made from."""

    def find(**keys):
        settings = Settings(
            cache=str(tmp_path / "store"), output=Path("releases"), scratch=tmp_path / "scratch", sdk=SDK, remotes=()
        )
        named = _name(keys, pieces)
        located = api.load_recipes([write_recipe(tmp_path / "recipe.yaml", **named)])
        found = prepare(located, Context.open(settings))
        return [
            dataclasses.asdict(dataclasses.replace(release_request(each, settings, checked=False), model=None))
            for each in found
        ], [each.model.snapshot.digest for each in found]

    return find


def _name(value, pieces):
    """The same with folders in place of their words."""
    if isinstance(value, dict):
        return {key: _name(each, pieces) for key, each in value.items()}
    if isinstance(value, list):
        return [_name(each, pieces) for each in value]
    return pieces.get(value.removeprefix("@"), value) if isinstance(value, str) and value.startswith("@") else value


ENCODER = {"name": "one", "model": "@encoder", "task": "fill-mask", "platforms": ["inf2"], "shapes": TEXT}
ON_CPU = {**ENCODER, "platforms": ["cpu"]}
GENERATOR = {"name": "one", "model": "@generator", "platforms": ["trn1"], "shapes": {"batch_size": 1, "sequence_length": 32}}
PICTURES = {
    "name": "one", "model": "@pictures", "platforms": ["inf2"],
    "shapes": {"batch_size": 1, "height": 64, "width": 64, "num_images_per_prompt": 1},
}  # fmt: skip
STYLED = {**PICTURES, "lora": ["@lora"], "controlnet": ["@net"]}

EFFECTS = {
    "name": (ENCODER, {"name": "two"}),
    "model": (ENCODER, {"model": "@other"}),
    "task": (ENCODER, {"task": "feature-extraction"}),
    "platforms": (ENCODER, {"platforms": ["trn1"]}),
    "compiler": (ENCODER, {"compiler": {"auto_cast": "all"}}),
    "compiler.auto_cast": (ENCODER, {"compiler": {"auto_cast": "matmul"}}),
    "compiler.auto_cast_type": (GENERATOR, {"compiler": {"auto_cast_type": "bf16"}}),
    "compiler.optlevel": (ENCODER, {"compiler": {"optlevel": 1}}),
    "compiler.extra_args": (ENCODER, {"compiler": {"extra_args": ["--enable-saturate-infinity"]}}),
    "compiler.lazy_load": (ENCODER, {"compiler": {"lazy_load": True}}),
    "compiler.async_load": (ENCODER, {"compiler": {"async_load": True}}),
    "shapes": (ENCODER, {"shapes": {**TEXT, "batch_size": 4}}),
    "shapes.exclude": (
        {**ENCODER, "shapes": {**TEXT, "batch_size": [1, 2]}},
        {"shapes": {**TEXT, "batch_size": [1, 2], "exclude": [{"batch_size": 1}]}},
    ),
    "shapes.include": (ENCODER, {"shapes": {**TEXT, "include": [{"batch_size": 9, "sequence_length": 9}]}}),
    "dynamic_batch_size": (ENCODER, {"dynamic_batch_size": True}),
    "weights": (ENCODER, {"weights": "separate"}),
    "num_cores": (GENERATOR, {"num_cores": 2}),
    "toolchain": (GENERATOR, {"toolchain": "optimum"}),
    "dtype": (ENCODER, {"dtype": "bfloat16"}),
    "lora": (PICTURES, {"lora": ["@lora"]}),
    "lora.model": (STYLED, {"lora": ["@lora2"], "name": "one"}),
    "lora.weights": (STYLED, {"lora": [{"model": "@lora", "weights": "other.safetensors"}]}),
    "lora.scale": (STYLED, {"lora": [{"model": "@lora", "scale": 0.5}]}),
    "controlnet": (PICTURES, {"controlnet": ["@net"]}),
    "controlnet.model": (STYLED, {"controlnet": ["@net2"]}),
    "release": (ENCODER, {"release": {"name": "three"}}),
    "release.name": (ENCODER, {"release": {"name": "three"}}),
    "release.layout": (ENCODER, {"release": {"layout": "optimum"}}),
}
"""By key of a recipe: a recipe, and the change to it that shows. Some keys are for some tasks only, and refused elsewhere."""

REFUSED = {
    "revision": (ENCODER, {"revision": "v1"}, "only models on the Hub have revisions"),
    "lora.revision": (STYLED, {"lora": [{"model": "@lora", "revision": "v1"}]}, "only models on the Hub have revisions"),
    "controlnet.revision": (
        STYLED,
        {"controlnet": [{"model": "@net", "revision": "v1"}]},
        "only models on the Hub have revisions",
    ),
    "trust_remote_code": (ENCODER, {"trust_remote_code": True}, "runs no code of a model"),
}
"""Keys that have an effect on the Hub's models alone, which `tests/unit/source/test_hub.py` shows, or in no case."""

WITHOUT_EFFECT = [
    (ENCODER, {"compiler": {"auto_cast_type": "bf16"}}, "recipe.yaml:2:3: auto_cast_type alone casts nothing for fill-mask"),
    (ON_CPU, {"compiler": {"auto_cast_type": "bf16"}}, "auto_cast_type alone casts nothing for fill-mask"),
    (PICTURES, {"compiler": {"auto_cast_type": "bf16"}}, "auto_cast_type alone casts nothing for text-to-image"),
    (ENCODER, {"compiler": {"auto_cast_type": "fp32"}}, "recipe.yaml:2:3: auto_cast_type alone casts nothing for fill-mask"),
    (ON_CPU, {"compiler": {"auto_cast_type": "fp32"}}, "auto_cast_type alone casts nothing for fill-mask"),
    (PICTURES, {"compiler": {"auto_cast_type": "fp32"}}, "auto_cast_type alone casts nothing for text-to-image"),
    (GENERATOR, {"compiler": {"auto_cast_type": "fp32"}, "dtype": "bfloat16"}, "and dtype that they are bfloat16"),
    (GENERATOR, {"num_cores": 2, "compiler": {"auto_cast_type": "bf16"}}, "says, float32, and casts nothing to bf16"),
    (GENERATOR, {"num_cores": 2, "dtype": "bfloat16"}, "in the dtype that its config.json says, float32, and not in bfloat16"),
    (ENCODER, {"compiler": {"auto_cast": "none", "auto_cast_type": "bf16"}}, "nothing is cast with auto_cast: none"),
    (GENERATOR, {"compiler": {"auto_cast": "none", "auto_cast_type": "bf16"}}, "nothing is cast with auto_cast: none"),
    ({**GENERATOR, "platforms": ["cpu"]}, {"compiler": {"auto_cast_type": "tf32"}}, "tf32 isn't supported on cpu"),
    (ON_CPU, {"compiler": {"auto_cast": "all"}, "dtype": "float16"}, "leave dtype out"),
    ({**GENERATOR, "platforms": ["cpu"]}, {"compiler": {"auto_cast_type": "bf16"}, "dtype": "float16"}, "leave dtype out"),
    ({**GENERATOR, "platforms": ["cpu"]}, {"dynamic_batch_size": True}, "a model with a cache has as many rows"),
    (GENERATOR, {"dynamic_batch_size": True}, "a model with a cache has as many rows"),
    (ON_CPU, {"toolchain": "optimum"}, "optimum is for inf2 and Trainium; give cpu a recipe of its own"),
    ({**ENCODER, "platforms": ["inf1"]}, {"toolchain": "optimum"}, "optimum is for inf2 and Trainium; give inf1"),
    ({**ENCODER, "platforms": ["inf1"]}, {"compiler": {"optlevel": 3}}, "has no levels of optimization"),
    ({**ENCODER, "platforms": ["inf1"]}, {"compiler": {"lazy_load": True}}, "no such call"),
    (ENCODER, {"toolchain": "optimum"}, "optimum-neuron isn't used for fill-mask"),
    (ENCODER, {"num_cores": 2}, "optimum-neuron isn't used for fill-mask"),
    (GENERATOR, {"num_cores": 2, "compiler": {"optlevel": 1}}, "optimum-neuron would drop this"),
    (ON_CPU, {"num_cores": 2}, "num_cores is for Neuron platforms"),
    (ON_CPU, {"compiler": {"extra_args": ["--x"]}}, "compiler.extra_args is for Neuron platforms"),
    (ENCODER, {"lora": ["@lora"]}, "lora is for pipelines"),
    (ENCODER, {"controlnet": ["@net"]}, "controlnet is for pipelines"),
    (ENCODER, {"release": {"repo": "me/mine"}}, "unknown key 'repo'"),
]  # fmt: skip


def test_every_key_of_a_recipe_is_shown_to_change_something_or_refused():
    assert sorted([*EFFECTS, *REFUSED]) == sorted(fields(Recipe))


@pytest.mark.parametrize("key", EFFECTS)
def test_a_key_changes_what_a_recipe_comes_to(key, outcome):
    base, change = EFFECTS[key]
    assert outcome(**base) == outcome(**base)
    assert outcome(**base) != outcome(**{**base, **change})


@pytest.mark.parametrize(("base", "change", "told"), [*REFUSED.values(), *WITHOUT_EFFECT])
def test_a_key_without_effect_is_refused_at_its_line(base, change, told, outcome):
    with pytest.raises((RecipeError, SourceError), match=r"recipe\.yaml:\d+:\d+") as caught:
        outcome(**{**base, **change})
    assert told in str(caught.value)


@pytest.mark.parametrize("platform", ["cpu", "inf2", "trn1"])
@pytest.mark.parametrize("kind", ["bf16", "fp16"])
def test_a_type_alone_means_a_generating_model_of_that_type(platform, kind, outcome):
    base = {**GENERATOR, "platforms": [platform]}
    alone, all_cast = ({**base, "compiler": {"auto_cast_type": kind, **more}} for more in ({}, {"auto_cast": "all"}))
    assert outcome(**alone) == outcome(**all_cast) != outcome(**base)


@pytest.mark.parametrize("base", [GENERATOR, {**GENERATOR, "num_cores": 2}, {**GENERATOR, "platforms": ["cpu"]}])
def test_a_type_that_lowers_nothing_says_what_a_generating_model_is_anyway(base, outcome):
    assert outcome(**base, compiler={"auto_cast_type": "fp32"}) == outcome(**base)


def test_a_type_in_defaults_is_for_the_recipes_that_cast(outcome, tmp_path):
    write_recipe(tmp_path / "defaults.yaml", defaults={"compiler": {"auto_cast": "matmul", "auto_cast_type": "fp16"}})
    assert outcome(**ENCODER, compiler={"auto_cast": "none"}) != outcome(**ENCODER)
    with pytest.raises(RecipeError, match=r"recipe\.yaml:\d+:\d+: nothing is cast"):
        outcome(**ENCODER, compiler={"auto_cast": "none", "auto_cast_type": "bf16"})


WORKSPACE = {
    "cache": "near", "remote": ["far"], "remote.location": ["far"],
    "remote.read_only": [{"location": "far", "read_only": True}],
    "trusted_keys": ["abc"], "signing_key": "key.pem", "share_weights": ["org/model"], "output": "out",
    "defaults": {"task": "fill-mask"}, "limits": {"jobs": 1}, "limits.jobs": {"jobs": 3}, "limits.timeout": {"timeout": 9},
    "limits.lease": {"lease": 7}, "isa": "x86-64-v3", "sdk": "2.31.0", "toolchains": {"neuronx": {"python": "python3"}},
    "toolchains.python": {"neuronx": {"python": "python3"}}, "toolchains.sdk": {"optimum": {"sdk": "2.26.1"}},
    "toolchains.versions": {"neuronx": {"versions": {"transformers": "4.0"}}},
}  # fmt: skip


def test_every_key_of_a_workspace_is_in_the_table():
    assert sorted(WORKSPACE) == sorted(fields(Workspace))


@pytest.mark.parametrize("key", WORKSPACE)
def test_a_key_of_a_workspace_changes_the_settings(key, tmp_path):
    before = workspace_settings(tmp_path)
    write_recipe(tmp_path / "neuronbuild.yaml", **{key.partition(".")[0]: WORKSPACE[key]})
    assert workspace_settings(tmp_path) != before


def test_every_setting_is_read_by_what_it_is_for():
    package = ROOT / "neuronbuild"
    trees = [ast.parse(path.read_text()) for path in package.rglob("*.py") if path.name != "export.py"]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {field.name for field in dataclasses.fields(Settings)} <= read


@pytest.mark.parametrize(
    ("toolchain", "platform", "one", "two"),
    [
        ("inductor", "cpu", {"isa": "x86-64-v3"}, {"isa": "x86-64-v4"}),
        ("neuronx", "inf2", {"sdk": "2.31.0"}, {"sdk": "2.26.1"}),
        ("neuronx", "inf2", {"sdk": "2.31.0"}, {"sdk": "2.31.0", "toolchains": {"neuronx": {"sdk": "2.26.1"}}}),
        ("neuronx", "inf2", {"sdk": "2.31.0"}, {"sdk": "2.31.0", "toolchains": {"neuronx": {"versions": {"torch": "2.0"}}}}),
    ],
)
def test_what_a_workspace_says_of_compilers_is_in_the_keys(toolchain, platform, one, two, tmp_path):
    found = []
    for said in (one, two):
        write_recipe(tmp_path / "neuronbuild.yaml", **said)
        settings = workspace_settings(tmp_path)
        found.append(open_toolchain(toolchain, platform, settings.toolchain(toolchain)).fingerprint(platform))
    assert found[0] != found[1]


def test_versions_that_correct_no_release_are_refused(tmp_path):
    write_recipe(tmp_path / "neuronbuild.yaml", toolchains={"neuronx": {"versions": {"torch": "2.0"}}})
    toolchain = open_toolchain("neuronx", "inf2", workspace_settings(tmp_path).toolchain("neuronx"))
    with pytest.raises(ToolchainError, match=r"toolchains\.neuronx\.versions correct a release, and none is pinned"):
        toolchain.fingerprint("inf2")


NEURON = {"platform": "inf2"}
CALLS = {
    "task": ({}, {"task": "text-classification"}),
    "revision": ({}, {"revision": "v1"}),
    "platform": ({}, {"platform": "inf2"}),
    "dynamic_batch_size": ({}, {"dynamic_batch_size": True}),
    "weights": (NEURON, {"weights": "separate"}),
    "num_cores": (NEURON, {"num_cores": 2}),
    "dtype": ({}, {"dtype": torch.bfloat16}),
    "toolchain": (NEURON, {"toolchain": "optimum"}),
    "auto_cast": ({}, {"auto_cast": "all"}),
    "auto_cast_type": ({"auto_cast": "all"}, {"auto_cast_type": "fp16"}),
    "optlevel": ({}, {"optlevel": 3}),
    "extra_args": (NEURON, {"extra_args": ["--enable-saturate-infinity"]}),
    "lazy_load": (NEURON, {"lazy_load": True}),
    "async_load": (NEURON, {"async_load": True}),
    **{axis: ({}, {axis: 7}) for axis in AXES},
    "cache": ({}, {"cache": "elsewhere"}),
    "output": ({}, {"output": "elsewhere"}),
    "jobs": ({}, {"jobs": 99}),
    "timeout": ({}, {"timeout": 9.0}),
    "isa": ({}, {"isa": "x86-64-v3"}),
    "sdk": (NEURON, {"sdk": SDK}),
    OFFLINE: ({}, {OFFLINE: True}),
    "tensor_parallel_size": (NEURON, {"tensor_parallel_size": 2}),
    "torch_dtype": ({}, {"torch_dtype": "float16"}),
    "instance_type": ({}, {"instance_type": "trn1"}),
    "inline_weights_to_neff": (NEURON, {"inline_weights_to_neff": False}),
}
"""By argument of `from_pretrained(export=True)`: others, and it with a value, which change what the call comes to."""

REFUSED_CALLS = [
    ({"trust_remote_code": True}, "runs no code of a model"),
    ({"isa": "x86-64-v3", **NEURON}, "isa says nothing for inf2"),
    ({"isa": "x86-64-v3", "instance_type": "trn1"}, "isa says nothing for trn1"),
    ({"sdk": SDK}, "sdk says nothing for cpu"),
    ({"num_cores": 1, "tensor_parallel_size": 2}, "num_cores, tensor_parallel_size are words for one thing"),
    ({"dtype": "float32", "torch_dtype": "float16"}, "dtype, torch_dtype are words for one thing"),
    ({"platform": "inf2", "instance_type": "trn1"}, "platform, instance_type are words for one thing"),
    ({"weights": "inline", "inline_weights_to_neff": False}, "are words for one thing"),
]


def call(arguments):
    located = make_recipe("org/model", "fill-mask", arguments)
    return located.recipe, _settings(arguments)


def test_every_argument_of_a_call_is_in_a_table():
    assert sorted([*CALLS, "trust_remote_code"]) == sorted(ARGUMENTS)


NAMED = ("isa", "sdk")
"""Settings that decide the code as well: the recipe has another name then, so that its release has another folder."""


@pytest.mark.parametrize("name", CALLS)
def test_an_argument_changes_what_a_call_comes_to(name):
    base, change = CALLS[name]
    before, after = call(base), call({**base, **change})
    place = 1 if name in {*SETTINGS_KEYS, OFFLINE} else 0
    assert before[place] != after[place]
    if name not in NAMED:
        assert before[1 - place] == after[1 - place]


@pytest.mark.parametrize("alias", ALIASES)
def test_optimum_neurons_words_mean_what_ours_do(alias):
    base, change = CALLS[alias]
    value = {"inline_weights_to_neff": "separate"}.get(alias, change[alias])
    assert call({**base, **change})[0] == call({**base, ALIASES[alias]: value})[0]


@pytest.mark.parametrize(("arguments", "told"), REFUSED_CALLS)
def test_an_argument_without_effect_is_refused(arguments, told):
    with pytest.raises((UsageError, RecipeError)) as caught:
        call(arguments)
    assert told in str(caught.value)


def test_a_wrong_call_is_an_error_for_people():
    with pytest.raises(NeuronBuildError, match="unknown argument 'num_coers'"):
        call({"num_coers": 1})
