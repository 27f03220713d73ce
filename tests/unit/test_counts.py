from __future__ import annotations

import pytest

from neuronbuild.counts import counted, listed, size_text, time_text


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


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1550, "1.6 kB"),
        (999_960, "1.0 MB"),
        (2e9, "2.0 GB"),
    ],
)
def test_sizes_are_told_in_the_largest_unit_that_fits(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0 s"), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (86400 * 3, "3 d")]
)
def test_times_are_told_in_their_largest_unit(seconds, text):
    assert time_text(seconds) == text
