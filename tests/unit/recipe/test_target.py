from __future__ import annotations

import pytest

from neuronbuild.recipe.grid import expand
from neuronbuild.recipe.load import load_recipes

SHAPES = "shapes: {batch_size: 1, sequence_length: 8}"


def options(write, text, task="fill-mask"):
    [located] = load_recipes([write(f"model: x\n{SHAPES}\n{text}")])
    return {target.options.platform: target.options for target in expand(located, task)}


def test_every_default_is_written_out(write):
    made = options(write, "platforms: [inf2]")["inf2"]
    assert (made.auto_cast, made.auto_cast_type, made.optlevel, made.extra_args) == ("none", "bf16", 2, ())
    assert (made.dtype, made.num_cores, made.dynamic_batch_size) == ("float32", 1, False)


def test_weights_travel_apart_on_cpu_and_inside_on_neuron(write):
    made = options(write, "platforms: [cpu, inf2, trn1]")
    assert {platform: made[platform].weights for platform in made} == {"cpu": "separate", "inf2": "inline", "trn1": "inline"}


def test_weights_that_a_recipe_names_hold_for_every_platform(write):
    made = options(write, "platforms: [cpu, inf2]\nweights: separate")
    assert {made[platform].weights for platform in made} == {"separate"}


def test_options_say_what_the_recipe_says(write):
    text = "platforms: [trn2]\nnum_cores: 2\ndtype: bfloat16\n"
    text += "compiler: {auto_cast: all, auto_cast_type: fp16, optlevel: 3, extra_args: [--x, '1']}"
    made = options(write, text, "text-generation")["trn2"]
    assert (made.auto_cast, made.auto_cast_type, made.optlevel, made.extra_args) == ("all", "fp16", 3, ("--x", "1"))
    assert (made.dtype, made.num_cores) == ("bfloat16", 2)
    assert options(write, "dynamic_batch_size: true")["cpu"].dynamic_batch_size


@pytest.mark.parametrize(
    ("text", "toolchain"),
    [
        ("platforms: [cpu]", "inductor"),
        ("platforms: [inf2]", "neuronx"),
        ("platforms: [inf1]\nnum_cores: 2", "neuron"),
        ("platforms: [trn2]\nnum_cores: 2", "optimum"),
        ("platforms: [trn1]\ntoolchain: optimum", "optimum"),
    ],
)
def test_a_toolchain_follows_from_platform_and_cores(write, text, toolchain):
    [made] = options(write, text, "text-generation").values()
    assert made.toolchain == toolchain
