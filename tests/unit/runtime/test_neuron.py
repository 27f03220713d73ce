"""Sessions over a framework that is made up: what is called, in which order, and what becomes of its errors."""

from __future__ import annotations

import sys
import types

import pytest
import torch

from neuronbuild.artifact.shape import Shape
from neuronbuild.artifact.signature import Signature, TensorSpec
from neuronbuild.errors import ReleaseError
from neuronbuild.platforms import PLATFORMS
from neuronbuild.runtime.neuron import NeuronSession
from neuronbuild.runtime.reader import CompiledShape
from neuronbuild.runtime.states import States
from tests.unit.neffs import archive, neff

INPUT = TensorSpec("values", "float32", (2,), (None,))


class Counting:
    """A loaded model that adds its input to a state of its own."""

    def __init__(self) -> None:
        self.state = torch.zeros(2)
        self.copies = 0

    def parameters(self):
        return iter([self.state])

    def __call__(self, values):
        self.state.add_(values)
        return values * 2


@pytest.fixture
def framework(monkeypatch):
    calls = []
    made = types.ModuleType("torch_neuronx")
    made.calls, made.loaded = calls, Counting()
    made.replace_weights = lambda loaded, weights: calls.append(("replace", sorted(weights)))
    made.move_trace_to_device = lambda loaded, device: calls.append(("move", device))
    made.set_neuron_cores = lambda loaded, start_nc, nc_count: calls.append(("cores", start_nc, nc_count))
    monkeypatch.setitem(sys.modules, "torch_neuronx", made)
    monkeypatch.setattr(torch.jit, "load", lambda path: made.loaded)
    return made


@pytest.fixture
def bucket(tmp_path):
    def make(states=()):
        file = archive(tmp_path / "model.neuron", neff())
        signature = Signature((INPUT,), (INPUT,), (), tuple(states))
        return CompiledShape("forward", Shape(()), tmp_path, file, signature, {}, {})

    return make


def test_a_single_tensor_is_a_list_of_one(framework, bucket):
    assert torch.equal(NeuronSession(bucket(), {}, INF2, None).run([torch.ones(2)])[0], torch.full((2,), 2.0))
    assert framework.calls == []


def test_tensors_of_tuples_are_in_their_places(framework, bucket):
    framework.loaded = lambda values: (values, (values * 2, values * 3), [values * 4])
    found = NeuronSession(bucket(), {}, INF2, None).run([torch.ones(2)])
    assert [float(tensor[0]) for tensor in found] == [1, 2, 3, 4]


def test_weights_are_bound_then_moved(framework, bucket):
    NeuronSession(bucket(), {"model.weight": torch.ones(1)}, INF2, None)
    assert framework.calls == [("replace", ["model.weight"]), ("move", 0)]


def test_a_core_is_chosen_after_loading(framework, bucket):
    NeuronSession(bucket(), {}, INF2, 5)
    assert framework.calls == [("cores", 5, 1)]


INF2 = PLATFORMS["inf2"]
KEYS = TensorSpec("self.0.keys", "float32", (2,), (None,))


def test_a_cache_goes_in_once_and_comes_out_when_it_is_fetched(framework, bucket):
    session = NeuronSession(bucket([KEYS]), {}, INF2, None)
    mine = torch.full((2,), 10.0)
    session.run([torch.ones(2), mine])
    framework.loaded.state.add_(100.0)  # what is on the device counts, as long as nobody wrote to ours
    session.run([torch.ones(2), mine])
    assert mine.tolist() == [10.0, 10.0]
    session.sync_states([mine])
    assert mine.tolist() == [112.0, 112.0]
    framework.loaded.state.add_(1000.0)  # and it stays there, fetched or not
    session.run([torch.ones(2), mine])
    session.sync_states([mine])
    assert mine.tolist() == [1113.0, 1113.0]


def test_what_is_written_to_a_fetched_cache_goes_in(framework, bucket):
    session = NeuronSession(bucket([KEYS]), {}, INF2, None)
    mine = torch.full((2,), 10.0)
    session.run([torch.ones(2), mine])
    session.sync_states([mine])
    mine.mul_(2)
    session.run([torch.ones(2), mine])
    session.sync_states([mine])
    assert mine.tolist() == [23.0, 23.0]


def test_conversations_take_turns_on_one_graph(framework, bucket):
    session = NeuronSession(bucket([KEYS]), {}, INF2, None)
    one, other = torch.zeros(2), torch.full((2,), 50.0)
    for _ in range(3):
        session.run([torch.ones(2), one])
        session.run([torch.full((2,), 2.0), other])
    session.sync_states([one])
    session.sync_states([other])
    assert (one.tolist(), other.tolist()) == ([3.0, 3.0], [56.0, 56.0])


def test_a_conversation_goes_from_graph_to_graph_and_back(framework, bucket):
    first = NeuronSession(bucket([KEYS]), {}, INF2, None)
    framework.loaded = Counting()
    second = NeuronSession(bucket([KEYS]), {}, INF2, None)
    states = States([torch.zeros(2)])
    for session in (first, first, second, first, second, second):
        states.run(session, [torch.ones(2)])
    assert states.tensors()[0].tolist() == [6.0, 6.0]


def test_after_a_call_that_failed_the_next_begins_with_what_the_caller_has(framework, bucket):
    session = NeuronSession(bucket([KEYS]), {}, INF2, None)
    one, other = torch.full((2,), 10.0), torch.full((2,), 50.0)
    session.run([torch.ones(2), one])
    session.sync_states([one])
    with pytest.raises(TypeError):
        session.run([None, other])
    session.run([torch.ones(2), one])
    session.sync_states([one])
    assert one.tolist() == [12.0, 12.0]


def test_another_conversation_is_never_taken_for_one_that_is_over(framework, bucket):
    session = NeuronSession(bucket([KEYS]), {}, INF2, None)
    for start in range(50):
        mine = torch.full((2,), float(start))  # often where the last one lay, with as many changes
        session.run([torch.ones(2), mine])
        session.sync_states([mine])
        assert mine.tolist() == [start + 1.0] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NEFF version: 2.0, features: 0x100 are not supported", "newer than this host's Neuron runtime"),
        ("The PyTorch Neuron Runtime could not be initialized", "doesn't start"),
        ("Could not load the model status=2 message=Invalid", "can't be loaded"),
        ("", "no reason is given"),
    ],
)
def test_the_runtimes_errors_are_told_with_what_to_do(framework, bucket, monkeypatch, text, message):
    def load(path):
        raise RuntimeError(text)

    monkeypatch.setattr(torch.jit, "load", load)
    with pytest.raises(ReleaseError, match=message) as caught:
        NeuronSession(bucket(), {}, INF2, None)
    assert caught.value.hint
    assert "write the release again" not in caught.value.hint  # that would give the same bytes


def test_a_core_that_cant_be_had_is_told(framework, bucket):
    def refuse(loaded, start_nc, nc_count):
        raise ValueError("there are 2 cores")

    framework.set_neuron_cores = refuse
    with pytest.raises(ReleaseError, match="core 7 can't be had: there are 2 cores"):
        NeuronSession(bucket(), {}, INF2, 7)


def test_a_framework_that_cant_choose_is_told(framework, bucket):
    del framework.set_neuron_cores
    with pytest.raises(ReleaseError, match="can't choose a core"):
        NeuronSession(bucket(), {}, INF2, 1)


def test_a_file_without_a_neff_never_comes_to_the_framework(framework, bucket, tmp_path, monkeypatch):
    made = bucket()
    archive(tmp_path / "model.neuron", b"nothing")
    monkeypatch.setitem(sys.modules, "torch_neuronx", None)
    with pytest.raises(ReleaseError, match="holds no NEFF") as caught:
        NeuronSession(made, {}, INF2, None)
    assert "neuronbuild cache rm KEY" in caught.value.hint


def test_a_framework_that_cant_be_imported_is_told(framework, bucket, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_neuronx", None)
    with pytest.raises(ReleaseError, match="torch_neuronx can't be imported"):
        NeuronSession(bucket(), {}, INF2, None)
