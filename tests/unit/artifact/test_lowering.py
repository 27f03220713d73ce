from __future__ import annotations

from neuronbuild.artifact.lowering import Lowering


def test_a_graph_is_sound_where_nothing_is_wrong_whatever_the_notes():
    assert Lowering(notes=("2 constants of 64 bits",)).sound
    assert not Lowering(problems=("it doesn't lower",)).sound
