from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.plan.config import DROPPED, DROPPED_OF, LEGACY, count_labels, is_dropped, normalise_config
from neuronbuild.plan.family_defaults import DEFAULTS
from neuronbuild.tasks import FAMILIES, TASKS
from tests.tools.fuzz import few, json_values, many
from tests.unit.plan.cases import BERT

FILL_MASK, CLASSIFY = TASKS["fill-mask"], TASKS["text-classification"]


def normal(task=FILL_MASK, **changes):
    return normalise_config({**BERT, **changes}, task)


@pytest.mark.parametrize(
    "name", ["hidden_dropout_prob", "classifier_dropout", "attention_dropout", "drop_path_dropout_rate", "dropout"]
)
def test_dropout_rates_do_nothing_in_evaluation(name):
    assert is_dropped(name, "bert")


@pytest.mark.parametrize("name", ["hidden_size", "token_dropout", "dropout_free", "vocab_size", "rope_theta"])
def test_what_shapes_the_graph_is_kept(name):
    assert not is_dropped(name, "esm")


def test_no_default_is_of_a_key_that_is_dropped():
    assert not [key for family, defaults in DEFAULTS.items() for key in defaults if is_dropped(key, family)]


def test_a_config_that_says_nothing_is_the_familys_defaults():
    assert normalise_config({"model_type": "bert"}, FILL_MASK) == DEFAULTS["bert"]


def test_what_a_config_says_wins_over_the_defaults():
    assert normal(hidden_act="relu", hidden_size=64)["hidden_act"] == "relu"


def test_null_for_a_key_that_the_family_lacks_says_nothing():
    assert normal(some_key=None, quantization_config=None) == normal()


def test_null_is_something_said():
    assert normal(pad_token_id=None)["pad_token_id"] is None


@pytest.mark.parametrize("name", sorted(DROPPED))
def test_a_dropped_key_leaves_no_trace(name):
    assert normal(**{name: "anything"}) == normal()


@pytest.mark.parametrize("name", ["apply_spec_augment", "mask_time_prob", "mask_feature_prob", "mask_time_length"])
def test_what_whisper_masks_in_training_leaves_no_trace(name):
    plain = {"model_type": "whisper"}
    speech = TASKS["speech-seq2seq"]
    assert normalise_config({**plain, name: 0.5}, speech) == normalise_config(plain, speech)
    assert name not in normalise_config(plain, speech)


def test_families_with_a_weight_for_what_is_masked_tell_whether_anything_is():
    plain = {"model_type": "wav2vec2"}
    letters = TASKS["automatic-speech-recognition"]
    assert normalise_config({**plain, "mask_time_prob": 0.0}, letters) != normalise_config(plain, letters)


@pytest.mark.parametrize("name", LEGACY)
def test_a_value_that_says_what_holds_anyway_leaves_no_trace(name):
    assert normal(**{name: LEGACY[name]}) == normal()
    assert normal(**{name: "another"})[name] == "another"


def test_a_whole_number_becomes_the_decimal_that_the_family_has():
    made = normal(layer_norm_eps=1)
    assert type(made["layer_norm_eps"]) is float
    assert type(made["hidden_size"]) is int


def test_truth_is_no_number():
    assert normal(layer_norm_eps=True)["layer_norm_eps"] is True


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({}, 2),
        ({"id2label": {"0": "a"}}, 1),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}, "num_labels": 7}, 3),
        ({"id2label": {}, "num_labels": 7}, 7),
        ({"id2label": None, "num_labels": 7}, 7),
        ({"num_labels": 5}, 5),
        ({"_num_labels": 4}, 4),
        ({"num_labels": None}, 2),
        ({"num_labels": "5"}, 2),
    ],
)
def test_labels_are_counted(config, count):
    assert count_labels(config) == count
    assert normalise_config({"model_type": "bert", **config}, CLASSIFY)["num_labels"] == count


def test_names_of_labels_are_gone():
    made = normal(CLASSIFY)
    assert made["num_labels"] == 3
    assert not {"id2label", "label2id"} & set(made)


def check(family, task, extra):
    """The normal form is a fixed point, whatever the config says, and leaves the config alone."""
    config = {**extra, "model_type": family}
    before = dict(config)
    once = normalise_config(config, task)
    assert config == before
    assert normalise_config(once, task) == once
    assert set(DEFAULTS[family]) <= set(once)
    assert {key for key in once if is_dropped(key, family)} <= {"num_labels"}


configs = st.sampled_from(sorted(FAMILIES)).flatmap(
    lambda family: st.tuples(
        st.just(family),
        st.sampled_from(list(TASKS.values())),
        st.dictionaries(
            st.sampled_from([*DEFAULTS[family], *sorted(DROPPED), *sorted(DROPPED_OF.get(family, ()))]) | st.text(max_size=6),
            json_values,
            max_size=5,
        ),
    )
)


@few
@given(configs)
def test_a_normal_form_stays_as_it_is(case):
    check(*case)


@pytest.mark.soak
@many
@given(configs)
def test_twenty_thousand_normal_forms_stay_as_they_are(case):
    check(*case)
