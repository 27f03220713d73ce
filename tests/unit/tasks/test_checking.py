from __future__ import annotations

import pytest

from neuronbuild.tasks import checking
from neuronbuild.tasks.checking import SettingError, checked, one_of

CHECKS = {"length": checking.is_length, "side": one_of("left", "right")}


def test_a_document_whose_keys_and_values_are_known_is_as_it_is():
    assert checked("a.json", {"length": 3, "side": "left"}, CHECKS) == {"length": 3, "side": "left"}
    assert checked("a.json", {}, CHECKS) == {}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"width": 1}, "a.json: this version doesn't know 'width', which may change an answer"),
        ({"side": "top"}, "a.json: this version can't do side: 'top'"),
        ([1], "a.json: it holds no keys and values"),
        (None, "a.json: it holds no keys and values"),
    ],
)
def test_what_is_not_known_is_refused_by_file_and_key(document, words):
    with pytest.raises(SettingError) as caught:
        checked("a.json", document, CHECKS)
    assert (str(caught.value), caught.value.file) == (words, "a.json")


@pytest.mark.parametrize(
    ("check", "yes", "no"),
    [
        (checking.is_anything, [None, 1, "a", {}], []),
        (checking.is_flag, [None, True, False], [0, 1, "true"]),
        (checking.is_whole, [None, 0, -3, 10**9], [True, 1.0, "1"]),
        (checking.is_length, [None, 1, 512], [0, -1, True, 1.5, "1"]),
        (checking.is_text, [None, "", "a"], [1, [], {}]),
        (checking.is_texts, [{}, {"a": "b", "c": None}], [None, [], {"a": 1}]),
        (one_of(1, None), [1, None], [True, 1.0, "1", 2]),
        (checking.none_but("a"), [None, {}, {"a": 5}], [{"b": 1}, [], "a"]),
        (checking.arguments(CHECKS), [None, {}, {"length": 2}], [{"length": 0}, {"width": 1}, []]),
    ],
)
def test_values_are_told_apart_by_type_as_well(check, yes, no):
    assert all(check(value) for value in yes)
    assert not any(check(value) for value in no)
