from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from neuronbuild.plan.config import is_dropped, normalise_config
from neuronbuild.plan.derived import DERIVED, SPELLINGS, derive, respell
from neuronbuild.plan.family_defaults import DEFAULTS
from neuronbuild.tasks import FAMILIES, TASKS

TASK = TASKS["fill-mask"]
READ_AND_FORGOTTEN = {"global_attn_every_n_layers"}
"""Keys that transformers turns into others, and keeps though nothing reads them."""

OLD = [
    {"model_type": "xlm", "n_words": 64000, "bos_index": 3, "pad_index": 7, "eos_index": 9},
    {"model_type": "xlm", "n_words": 64000, "vocab_size": 5, "emb_dim": 64, "hidden_size": 128},
    {"model_type": "flaubert", "n_words": 68729, "pre_norm": True},
    {"model_type": "distilbert", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    {"model_type": "deberta", "pos_att_type": "c2p|p2c", "relative_attention": True},
    {"model_type": "deberta-v2", "pos_att_type": "P2C | c2p", "hidden_size": 768},
    {"model_type": "deberta-v2", "hidden_size": 768, "pooler_hidden_size": 1024},
    {"model_type": "mobilebert", "use_bottleneck": False, "hidden_size": 256},
    {"model_type": "mobilebert", "intra_bottleneck_size": 64, "true_hidden_size": 32},
    {"model_type": "roformer", "hidden_size": 256},
    {"model_type": "roformer", "hidden_size": 256, "embedding_size": None},
    {"model_type": "roformer", "hidden_size": 256, "embedding_size": 128},
    {"model_type": "modernbert", "num_hidden_layers": 28, "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0},
    {"model_type": "modernbert", "num_hidden_layers": 4, "global_attn_every_n_layers": 2},
    {"model_type": "modernbert", "global_rope_theta": 80000, "local_rope_theta": 5000},
    {"model_type": "t5", "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "num_layers": 8},
    {"model_type": "marian", "vocab_size": 100, "decoder_vocab_size": None},
    {"model_type": "esm", "vocab_size": 33, "token_dropout": True, "rope_theta": 5.0},
]
STRANGE = [
    {"model_type": "modernbert", "num_hidden_layers": "many"},
    {"model_type": "modernbert", "num_hidden_layers": 10**12},
    {"model_type": "modernbert", "global_attn_every_n_layers": 0},
    {"model_type": "modernbert", "global_attn_every_n_layers": "3"},
    {"model_type": "modernbert", "global_rope_theta": "high"},
    {"model_type": "modernbert", "local_rope_theta": None},
    {"model_type": "modernbert", "rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    {"model_type": "deberta", "pos_att_type": 7, "hidden_size": None},
    {"model_type": "mobilebert", "use_bottleneck": "yes"},
    {"model_type": "roformer", "hidden_size": [1]},
]


@pytest.fixture(scope="module")
def hub():
    """What transformers makes of a config, in evaluation mode; and what it writes to `config.json`."""
    import transformers

    def made(config):
        values = dict(config)
        return transformers.CONFIG_MAPPING[values.pop("model_type")].from_dict(values)

    def kept(values, family):
        return {
            key: kept(value, str(value["model_type"])) if isinstance(value, dict) and "model_type" in value else value
            for key, value in values.items()
            if not is_dropped(key, family) and key not in READ_AND_FORGOTTEN
        }

    def meaning(config):
        return kept(made(config).to_dict(), config["model_type"])

    return SimpleNamespace(meaning=meaning, saved=lambda config: made(config).to_dict(), classes=transformers.CONFIG_MAPPING)


def grown(family):
    """The family's config with each of its whole numbers doubled, one at a time."""
    return [{"model_type": family, key: 2 * value} for key, value in DEFAULTS[family].items() if type(value) is int]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_normal_form_means_to_transformers_what_the_config_meant(hub, family):
    for config in [{"model_type": family}, *grown(family)]:
        assert hub.meaning(normalise_config(config, TASK)) == hub.meaning(config), config


@pytest.mark.parametrize("config", OLD, ids=str)
def test_an_old_config_keeps_its_meaning(hub, config):
    assert hub.meaning(normalise_config(config, TASK)) == hub.meaning(config)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_silent_config_and_one_that_transformers_saved_are_one(hub, family):
    for config in [{"model_type": family}, *grown(family)]:
        assert normalise_config(hub.saved(config), TASK) == normalise_config(config, TASK), config


@pytest.mark.parametrize("config", OLD, ids=str)
def test_an_old_config_and_one_saved_anew_are_one(hub, config):
    assert normalise_config(hub.saved(config), TASK) == normalise_config(config, TASK)


@pytest.mark.parametrize("family", FAMILIES)
def test_spellings_are_those_of_transformers(hub, family):
    kind = hub.classes[family]
    own = {field.name for field in dataclasses.fields(kind)}
    assert SPELLINGS.get(family, {}) == {old: new for old, new in kind.attribute_map.items() if old not in own}


def test_the_other_spelling_counts_where_a_config_has_both():
    assert respell({"model_type": "xlm", "n_words": 7, "vocab_size": 5}) == {"model_type": "xlm", "vocab_size": 7}
    assert respell({"vocab_size": 5, "n_words": 7, "model_type": "bert"}) == {
        "vocab_size": 5,
        "n_words": 7,
        "model_type": "bert",
    }


def test_what_follows_from_other_values_has_no_default_of_its_own():
    for family, keys in DERIVED.items():
        assert not set(keys) & set(DEFAULTS[family])
        assert set(keys) <= set(normalise_config({"model_type": family}, TASK))


def test_layers_alternate():
    made = normalise_config({"model_type": "modernbert", "num_hidden_layers": 5}, TASK)
    full, near = "full_attention", "sliding_attention"
    assert made["layer_types"] == [full, near, near, full, near]
    assert made["rope_parameters"][full] == {"rope_theta": 160000.0, "rope_type": "default"}


def test_layers_and_rotations_that_a_config_states_are_left_as_they_are():
    stated = {
        "layer_types": ["full_attention"],
        "rope_parameters": {"full_attention": {"rope_theta": 1.0, "rope_type": "default"}},
    }
    made = normalise_config(
        {"model_type": "modernbert", "num_hidden_layers": 1, "global_attn_every_n_layers": 3, **stated}, TASK
    )
    assert {key: made[key] for key in stated} == stated
    assert "global_attn_every_n_layers" not in made


@pytest.mark.parametrize("config", STRANGE, ids=str)
def test_strange_values_are_left_for_transformers_to_refuse(config):
    made = normalise_config(config, TASK)
    assert config.items() <= made.items()


def test_other_families_derive_nothing():
    config = {"model_type": "bert", "hidden_size": 8}
    derive(config)
    assert config == {"model_type": "bert", "hidden_size": 8}
