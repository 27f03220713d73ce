from __future__ import annotations

import pytest

from neuronbuild.recipe.load import load_recipes
from neuronbuild.recipe.options import blamed, cast_of, dtype_issues, option_issues
from neuronbuild.tasks import TASKS

GENERATING = ["text-generation", "text2text-generation", "speech-seq2seq"]


@pytest.fixture
def loaded(write):
    def load(text, **how):
        [located] = load_recipes([write(f"model: x\n{text}")], **how)
        return located

    return load


def issues(located, task):
    return [f"{issue.line}: {issue.message}" for issue in option_issues(located, task)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("platforms: [cpu, inf2]", "is for inf2 and Trainium; give cpu a recipe of its own"),
        ("platforms: [inf1]", "is for inf2 and Trainium; give inf1 a recipe of its own"),
        ("platforms: [inf2]\nweights: separate", "can't be had with `weights: separate`, since optimum-neuron binds none"),
        ("platforms: [inf2]\ntoolchain: optimum", "is for what is compiled here"),
        ("platforms: [inf2]\nnum_cores: 2", "is for what is compiled here"),
    ],
)
def test_a_folder_for_every_shape_is_refused_where_optimum_neuron_could_load_none(text, message, loaded):
    found = issues(loaded(f"release: {{layout: optimum}}\n{text}"), "fill-mask")
    [told] = [each for each in found if "release.layout" in each]
    assert told.startswith(f"2: release.layout: optimum {message}")
    assert issues(loaded("release: {layout: optimum}\nplatforms: [inf2, trn2]"), "fill-mask") == []


@pytest.mark.parametrize("task", TASKS)
def test_a_type_alone_is_a_cast_of_all_or_an_error(task, loaded):
    located = loaded("compiler: {auto_cast_type: bf16}")
    told = issues(located, task)
    if task in GENERATING:
        assert (cast_of(located.recipe, task), told) == ("all", [])
    else:
        [fault] = told
        assert cast_of(located.recipe, task) == "none"
        assert fault.startswith(f"2: auto_cast_type alone casts nothing for {task}")


@pytest.mark.parametrize("task", TASKS)
def test_a_type_that_lowers_nothing_says_what_a_generating_model_is_or_is_an_error(task, loaded):
    located = loaded("compiler: {auto_cast_type: fp32}")
    assert cast_of(located.recipe, task) == "none"
    expected = [] if task in GENERATING else [f"2: auto_cast_type alone casts nothing for {task}"]
    assert [told.partition(": set")[0] for told in issues(located, task)] == expected


@pytest.mark.parametrize("task", GENERATING)
@pytest.mark.parametrize("cast", ["", "auto_cast: none, "])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_type_of_full_precision_contradicts_weights_of_half(task, cast, dtype, loaded):
    [told] = issues(loaded(f"compiler: {{{cast}auto_cast_type: fp32}}\ndtype: {dtype}"), task)
    assert told.startswith(f"2: auto_cast_type: fp32 says that weights are float32, and dtype that they are {dtype}")
    assert issues(loaded(f"compiler: {{{cast}auto_cast_type: fp32}}\ndtype: float32"), task) == []


@pytest.mark.parametrize("task", ["text-generation", "fill-mask"])
@pytest.mark.parametrize(
    "text",
    ["", "compiler: {auto_cast: none}", "compiler: {auto_cast: none, auto_cast_type: fp32}", "compiler: {optlevel: 1}"],
)
def test_nothing_said_of_a_cast_is_none(task, text, loaded):
    assert (cast_of(loaded(text).recipe, task), issues(loaded(text), task)) == ("none", [])


@pytest.mark.parametrize("task", ["text-generation", "fill-mask"])
@pytest.mark.parametrize("cast", ["matmul", "all"])
def test_a_cast_with_its_type_is_what_it_says(task, cast, loaded):
    located = loaded(f"compiler: {{auto_cast: {cast}, auto_cast_type: fp16}}")
    assert (cast_of(located.recipe, task), issues(located, task)) == (cast, [])


def test_a_fault_stands_at_the_line_of_the_key(loaded):
    located = loaded("dtype: float16\ndynamic_batch_size: true\ncompiler:\n  auto_cast_type: bf16")
    assert [fault.partition(":")[0] for fault in issues(located, "text-generation")] == ["2", "3"]


def test_a_type_that_a_workspace_gives_is_not_for_a_recipe_that_casts_nothing(loaded):
    given = {"compiler": {"auto_cast": "matmul", "auto_cast_type": "fp16"}}
    assert issues(loaded("compiler: {auto_cast: none}", defaults=given), "fill-mask") == []
    assert issues(loaded("compiler: {auto_cast: none, auto_cast_type: bf16}", defaults=given), "fill-mask") != []


def test_what_a_compiler_refuses_of_a_cast_stands_where_the_recipe_asks_for_it(loaded):
    cast = ("compiler", "auto_cast")
    assert blamed(loaded("compiler: {auto_cast_type: bf16}"), cast) == ("compiler", "auto_cast_type")
    assert blamed(loaded("compiler: {auto_cast: all, auto_cast_type: bf16}"), cast) == cast
    assert blamed(loaded("compiler: {optlevel: 1}"), ("compiler", "optlevel")) == ("compiler", "optlevel")


OVER_CORES = "task: text-generation\nplatforms: [trn1]\nnum_cores: 2\n"


def test_a_type_alone_casts_nothing_of_a_decoder_that_another_tool_exports(loaded):
    located = loaded(f"{OVER_CORES}compiler: {{auto_cast_type: bf16}}")
    assert (cast_of(located.recipe, "text-generation"), issues(located, "text-generation")) == ("none", [])
    assert issues(located, "feature-extraction") == []
    assert cast_of(located.recipe, "text2text-generation") == "all"


@pytest.mark.parametrize("text", ["", "dtype: bfloat16", "compiler: {auto_cast_type: bf16}"])
def test_the_checkpoints_dtype_may_be_said(text, loaded):
    assert dtype_issues(loaded(OVER_CORES + text), "bfloat16") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dtype: float32", "and not in float32: leave this out"),
        ("compiler: {auto_cast_type: fp16}", "and casts nothing to fp16: leave this out"),
        ("compiler: {auto_cast_type: tf32}", "and casts nothing to tf32: leave this out"),
    ],
)
def test_another_dtype_than_the_checkpoints_is_told_at_its_line(text, told, loaded):
    [issue] = dtype_issues(loaded(OVER_CORES + text), "bfloat16")
    assert issue.line == 5
    assert issue.message.startswith("optimum-neuron compiles a decoder in the dtype that its config.json says, bfloat16, ")
    assert told in issue.message
