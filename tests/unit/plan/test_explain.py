from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.digest import digest_json
from neuronbuild.plan.explain import Difference, Nearest, comparable, find_differences, tell
from tests.tools.fuzz import few, json_values
from tests.unit.plan.cases import BERT, FINGERPRINT, SIZES, make_action

NEWER = replace(FINGERPRINT, versions={**FINGERPRINT.versions, "neuronx-cc": "2.26.7000.0"})
FILES = {"a.safetensors": "1" * 64}
ACTION = make_action()


def differences_of(before, after):
    """What differs between two documents."""
    return find_differences(comparable(before), comparable(after))


CHANGES = {
    "another compiler": ({"fingerprint": NEWER}, "neuronx-cc 2.26.6360.0 -> 2.26.7000.0"),
    "another package": (
        {"fingerprint": replace(FINGERPRINT, versions={**FINGERPRINT.versions, "new": "1"})},
        "new none -> 1",
    ),
    "another flag": (
        {"fingerprint": replace(FINGERPRINT, flags={**FINGERPRINT.flags, "model-type": "unet"})},
        "model-type transformer -> unet",
    ),
    "another model": ({"config": {**BERT, "hidden_size": 768}}, "hidden_size 384 -> 768"),
    "a nested key": ({"config": {**BERT, "text": {"size": 1}}}, "text.size none -> 1"),
    "another shape": ({"sizes": {**SIZES, "batch_size": 2}}, "batch_size 1 -> 2"),
    "another dtype": ({"dtype": "bfloat16"}, "dtype float32 -> bfloat16"),
    "another level": ({"optlevel": 3}, "compiler arguments --optlevel=2 -> --optlevel=3"),
    "a compiler's own word": ({"dynamic_batch_size": True}, "dynamic_batch_size false -> true"),
    "an argument less": ({"extra_args": ()}, "compiler arguments --enable-saturate-infinity -> none"),
    "weights inside": ({"weights": FILES}, "weights separate -> compiled in"),
}
"""What is changed, and how it is told."""


@pytest.mark.parametrize("name", CHANGES)
def test_a_difference_is_told_in_the_words_of_recipes_configs_and_packages(name):
    changes, told = CHANGES[name]
    assert list(map(str, differences_of(ACTION.document, make_action(**changes).document))) == [told]


def test_other_weights_are_one_difference_however_many_files_they_have():
    one = make_action(weights={"a": "1" * 64, "b": "2" * 64}).document
    other = make_action(weights={"a": "3" * 64, "c": "2" * 64}).document
    [difference] = differences_of(one, other)
    assert (str(difference), difference.path) == ("other weights", ("weights",))
    assert difference.as_json() == {
        "path": ["weights"],
        "before": f"sha256:{digest_json(one['weights']).sha256}",
        "after": f"sha256:{digest_json(other['weights']).sha256}",
    }


def test_a_model_that_brings_other_code_is_told_as_such():
    one, other = ({"model": {"code": {"a.py": digit * 64}}} for digit in "12")
    assert list(map(str, differences_of(one, other))) == ["other model's code"]


def test_inputs_are_told_only_where_nothing_else_differs():
    other = {**ACTION.document, "inputs": []}
    assert [each.path for each in differences_of(ACTION.document, other)] == [("inputs",)]
    assert [each.path for each in differences_of(ACTION.document, {**other, "dtype": "x"})] == [("dtype",)]


def test_an_action_doesnt_differ_from_itself():
    assert differences_of(ACTION.document, dict(reversed(ACTION.document.items()))) == ()


@few
@given(
    st.dictionaries(st.text(max_size=3), json_values, max_size=3), st.dictionaries(st.text(max_size=3), json_values, max_size=3)
)
def test_documents_with_other_fields_differ_whatever_they_hold(one, other):
    differences = differences_of(one, other)
    assert all(str(each) for each in differences)
    assert bool(differences) == (_without_empty(one) != _without_empty(other))


def _without_empty(value):
    """A document without its empty mappings, in a form that tells 1 from true."""
    if not isinstance(value, dict):
        return digest_json(value)
    inner = {name: _without_empty(part) for name, part in value.items()}
    return {name: part for name, part in inner.items() if part != {}}


def test_the_most_telling_differences_come_first_and_the_rest_is_counted():
    other = make_action(
        config={**BERT, "bos_token_id": 7, "hidden_size": 768, "vocab_size": 9}, sizes={**SIZES, "batch_size": 2}
    ).document
    differences = differences_of(ACTION.document, other)
    assert tell(differences, 53) == "batch_size 1 -> 2, hidden_size 384 -> 768 and 2 more"
    assert tell(differences, 1) == "batch_size 1 -> 2 and 3 more"
    assert tell(differences, 500).count(" -> ") == 4
    assert tell([], 10) == ""


def test_a_long_value_is_cut():
    assert str(Difference(("dtype",), "a" * 100, "b")) == f"dtype {'a' * 39}… -> b"


def test_a_nearest_action_is_told_by_the_beginning_of_its_key():
    nearest = Nearest(ACTION.key, (Difference(("shape", "batch_size"), 1, 2),))
    assert nearest.sentence(60) == f"nearest {ACTION.key[:12]}: batch_size 1 -> 2"
    assert nearest.as_json() == {
        "key": ACTION.key,
        "differences": [{"path": ["shape", "batch_size"], "before": 1, "after": 2}],
    }
