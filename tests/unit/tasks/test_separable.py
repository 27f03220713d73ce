"""The data against the page that the same run wrote."""

from __future__ import annotations

from neuronbuild.tasks.separable import SEPARABLE
from tests.house.test_neuron_graphs import ROWS
from tests.tools.neuron_graphs import NONE, cases


def test_models_whose_weights_may_lie_apart_are_those_of_graphs_without_a_constant_of_weights():
    documents = dict(cases())
    sound = {(documents[" ".join(row[:3])]["model"]["auto_class"], row[1]) for row in ROWS if row[4] == NONE}
    assert {(auto, family) for auto, families in SEPARABLE.items() for family in families} == sound
