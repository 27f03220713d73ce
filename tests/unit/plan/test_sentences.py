from __future__ import annotations

import json

import pytest
from sentence_transformers.sentence_transformer import modules as library
from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm, Normalize, Pooling
from sentence_transformers.util.misc import import_from_string

from neuronbuild.plan.sentences import (
    ACTIVATIONS,
    CONFIGS,
    LEGACY_MODES,
    TRANSFORMER,
    leaves_prompts_out,
    make_steps,
    module_files,
    read_modules,
)
from neuronbuild.tasks.checking import SettingError
from tests.unit.plan.cases import BERT

KINDS = ("Transformer", "Pooling", "Normalize")
POOLED = {"embedding_dimension": 384, "pooling_mode": "mean"}
MEAN = {"kind": "Pooling", "modes": ["mean"], "include_prompt": True}
DENSE = {"in_features": 384, "out_features": 16, "bias": True, "activation_function": "torch.nn.modules.linear.Identity"}


def modules(*kinds, package="sentence_transformers.models", **changes):
    """A `modules.json` of these kinds."""
    entries = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": f"{package}.{kind}", **changes}
        for i, kind in enumerate(kinds)
    ]
    return {"": entries}


def steps(kinds=KINDS, config=BERT, package="sentence_transformers.models", **configs):
    """The steps for modules whose configs are given by kind."""
    configs = {"Pooling": POOLED, **configs}
    files = {f"{i}_{kind}/config.json": configs[kind] for i, kind in enumerate(kinds) if kind in configs}
    return make_steps({"modules.json": modules(*kinds, package=package), **files}, config)


def refusal(*arguments, **named):
    with pytest.raises(SettingError) as caught:
        steps(*arguments, **named)
    return str(caught.value)


@pytest.mark.parametrize("mode", Pooling.POOLING_MODES)
def test_every_mode_of_the_library_is_known(mode):
    assert steps(Pooling={**POOLED, "pooling_mode": mode}) == [{**MEAN, "modes": [mode]}, {"kind": "Normalize"}]


@pytest.mark.parametrize(
    "stated",
    [
        {"pooling_mode": ["max", "cls"]},
        {"pooling_mode": ["max", "max"]},
        dict.fromkeys(reversed(LEGACY_MODES), True),
        {"pooling_mode_weightedmean_tokens": True, "pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False},
        {"pooling_mode_mean_tokens": False},
        {"pooling_mode_cls_token": True, "pooling_mode": "lasttoken"},
        {"include_prompt": False},
        {},
    ],
)
def test_a_pooling_is_read_as_the_library_reads_it(stated, tmp_path):
    for width in ("embedding_dimension", "word_embedding_dimension"):
        config = {width: 384, **stated}
        (tmp_path / "config.json").write_text(json.dumps(config))
        theirs = Pooling.load(str(tmp_path))
        modes = [theirs.pooling_mode] if isinstance(theirs.pooling_mode, str) else [*theirs.pooling_mode]
        assert steps(("Transformer", "Pooling"), Pooling=config) == [
            {"kind": "Pooling", "modes": modes, "include_prompt": theirs.include_prompt}
        ]


@pytest.mark.parametrize(
    ("pooling", "words"),
    [
        ({"embedding_dimension": 384, "pooling_mode": "own"}, "can't do pooling_mode: 'own'"),
        ({"embedding_dimension": 384, "pooling_mode": []}, "can't do pooling_mode"),
        ({"embedding_dimension": 384, "pooling_mode": None}, "can't do pooling_mode"),
        ({"embedding_dimension": 384, "include_prompt": "no"}, "can't do include_prompt: 'no'"),
        ({"embedding_dimension": 384, "pooling_mode_cls_token": 1}, "can't do pooling_mode_cls_token: 1"),
        ({"embedding_dimension": 384, "temperature": 2}, "doesn't know 'temperature'"),
        ({"embedding_dimension": 32}, "embedding_dimension is 32, but what comes in is 384 wide"),
        ({"pooling_mode": "mean"}, "it has no embedding_dimension"),
        ([], "no keys and values"),
    ],
)
def test_other_poolings_are_refused_by_their_key(pooling, words):
    text = refusal(Pooling=pooling)
    assert text.startswith("1_Pooling/config.json: ")
    assert words in text


def test_the_table_of_modules_holds_what_is_compiled_and_all_others_are_refused_by_name():
    every = {name for name in library.__all__ if name not in {"Module", "InputModule"}}
    assert {TRANSFORMER, *CONFIGS} < every
    for name in every - {TRANSFORMER, *CONFIGS}:
        assert f"module {name!r} of sentence-transformers isn't supported" in refusal(("Transformer", "Pooling", name))


@pytest.mark.parametrize("kind", [Pooling, Normalize, Dense, LayerNorm])
def test_every_key_that_the_library_writes_is_known(kind):
    assert {*kind.config_keys} <= {*CONFIGS[kind.__name__]}


@pytest.mark.parametrize(
    "kinds",
    [
        ("Transformer",),
        ("Pooling", "Transformer"),
        ("Transformer", "Normalize", "Pooling"),
        ("Transformer", "Pooling", "Pooling"),
        ("Transformer", "Pooling", "Transformer"),
    ],
)
def test_modules_in_another_order_are_refused(kinds):
    assert f"they are {', '.join(kinds)}" in refusal(kinds)


def test_modules_may_come_from_any_version_of_the_package_and_from_no_other():
    assert steps(package="sentence_transformers.sentence_transformer.modules.some") == steps()
    assert "module 'own.Transformer' isn't one of" in refusal(package="own")


def test_a_module_that_does_nothing_outside_training_is_left_out():
    assert steps(("Transformer", "Pooling", "Dropout", "Normalize"), Dropout={"dropout": 0.5}) == steps()


@pytest.mark.parametrize(
    ("says", "words"),
    [({"module_input_name": "token_embeddings"}, "module_input_name"), ({"module_output_name": "other"}, "module_output_name")],
)
def test_only_embeddings_of_sentences_are_normalised(says, words):
    assert words in refusal(Normalize=says)


def test_heads_are_named_after_their_folders():
    kinds = ("Transformer", "Pooling", "Dense", "LayerNorm")
    found = steps(kinds, Dense=DENSE, LayerNorm={"dimension": 16})[1:]
    dense = {"in_features": 384, "out_features": 16, "bias": True, "activation": "Identity", "use_residual": False}
    assert found == [
        {"kind": "Dense", "path": "2_Dense", **dense},
        {"kind": "LayerNorm", "path": "3_LayerNorm", "dimension": 16},
    ]
    assert steps(kinds[:3], Dense={"in_features": 384, "out_features": 4})[1]["activation"] == "Tanh"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_classes_that_need_no_argument(name):
    assert import_from_string(name)().__class__.__name__ == ACTIVATIONS[name]


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({"in_features": 7}, "in_features is 7, but what comes in is 384 wide"),
        ({"in_features": None}, "it has no in_features"),
        ({"out_features": None}, "it has no out_features"),
        ({"activation_function": "own.Activation"}, "can't do activation_function: 'own.Activation'"),
        ({"activation_function": None}, "can't do activation_function"),
        ({"module_input_name": "token_embeddings"}, "can't do module_input_name"),
        ({"out_features": True}, "can't do out_features"),
    ],
)
def test_a_dense_layer_that_cannot_be_is_refused_by_its_key(says, words):
    assert words in refusal(("Transformer", "Pooling", "Dense"), Dense={**DENSE, **says})


@pytest.mark.parametrize("path", ["pooler", "", "2.Dense"])
def test_a_head_needs_a_folder_whose_name_can_be_a_name_in_the_graph(path):
    listed = modules("Transformer", "Pooling", "Dense")
    listed[""][2]["path"] = path
    with pytest.raises(SettingError, match="a folder's name such as 2_Dense is expected"):
        make_steps({"modules.json": listed, "1_Pooling/config.json": POOLED, f"{path}/config.json".lstrip("/"): DENSE}, BERT)


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ({}, "no list of modules"),
        ({"": []}, "no list of modules"),
        ({"": "text"}, "no list of modules"),
        ({"": [7]}, "no keys and values"),
        (modules("Transformer", own=1), "doesn't know 'own'"),
        (modules("Transformer", type=7), "can't do type: 7"),
        ({"": [{"name": "0", "path": ""}]}, "a module has no type"),
        (modules("Transformer", "Pooling", name="0"), "two modules have the same name"),
    ],
)
def test_what_lists_no_modules_is_refused(listed, words):
    with pytest.raises(SettingError, match=words):
        read_modules(listed)
    assert module_files(listed) == []


def test_configs_lie_where_the_modules_say():
    assert module_files(modules(*KINDS)) == ["1_Pooling/config.json", "2_Normalize/config.json"]
    assert module_files(modules("Transformer", "Pooling", path="own/")) == ["own/config.json"]


def test_a_plain_model_is_pooled_as_the_library_does():
    assert make_steps({}, BERT) == [MEAN]
    decoder = {**BERT, "architectures": ["BertForCausalLM"]}
    assert make_steps({}, decoder)[0]["modes"] == ["lasttoken"]
    assert make_steps({}, {**decoder, "is_causal": False}) == [MEAN]


def test_prompts_are_left_out_where_a_pooling_says_so():
    assert leaves_prompts_out(steps(Pooling={**POOLED, "include_prompt": False}))
    assert not leaves_prompts_out(steps())
