from __future__ import annotations

import torch

from neuronbuild.artifact.signature import Signature, TensorSpec
from neuronbuild.runtime.session import Session
from neuronbuild.runtime.states import States


class RemoteStore(Session):
    """Adds its input to a cache that stays where it is until it is fetched."""

    def __init__(self) -> None:
        self.fetched = 0
        self._own = torch.zeros(2)
        self._last: torch.Tensor | None = None

    def run(self, inputs):
        given, mine = inputs
        if mine is not self._last:
            self._own.copy_(mine)
        self._last = mine
        self._own.add_(given)
        return [self._own.sum()]

    def sync_states(self, states):
        self.fetched += 1
        states[0].copy_(self._own)
        self._last = None


def test_blank_ones_are_zeros_as_the_signature_has_them():
    spec = TensorSpec("self.0.keys", "bfloat16", (2, 3), (None, None))
    (tensor,) = States.blank(Signature((), (), (), (spec,))).tensors()
    assert torch.equal(tensor, torch.zeros((2, 3), dtype=torch.bfloat16))


def test_nothing_is_fetched_while_one_graph_is_called():
    session, states = RemoteStore(), States([torch.zeros(2)])
    sums = [float(states.run(session, [torch.ones(2)])[0]) for _ in range(5)]
    assert sums == [2.0, 4.0, 6.0, 8.0, 10.0]
    assert session.fetched == 0
    assert states.tensors()[0].tolist() == [5.0, 5.0]


def test_another_graph_goes_on_where_the_last_one_stopped():
    prefill, decode, states = RemoteStore(), RemoteStore(), States([torch.zeros(2)])
    for session in (prefill, prefill, decode, prefill, decode, decode):
        states.run(session, [torch.ones(2)])
    assert states.tensors()[0].tolist() == [6.0, 6.0]
    assert (prefill.fetched, decode.fetched) == (2, 2)
