from __future__ import annotations

import pytest

from neuronbuild.counts import counted, listed


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 targets"), (1, "1 target"), (2, "2 targets"), (1045, "1,045 targets"), (1_000_000, "1,000,000 targets")],
)
def test_only_one_is_singular(number, text):
    assert counted(number, "target") == text


def test_a_plural_of_its_own_is_used():
    assert [counted(number, "match", "matches") for number in (1, 2)] == ["1 match", "2 matches"]


@pytest.mark.parametrize(("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")])
def test_a_list_reads_as_a_sentence(words, text):
    assert listed(words) == text
