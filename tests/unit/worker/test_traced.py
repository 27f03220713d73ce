from __future__ import annotations

import torch

from neuronbuild.worker.traced import Nested, flat


class Four(torch.nn.Module):
    """Four outputs, two of which are parts of one."""

    wanted = output_names = ("a", "part.x", "part.y", "b")

    def forward(self, values):
        return tuple(values + number for number in range(4))


class One(torch.nn.Module):
    wanted = output_names = ("a",)


def test_parts_of_an_output_are_a_tuple_for_the_loaders_that_read_them_so():
    made = torch.jit.trace(Nested.around(Four()), torch.zeros(1))
    a, (x, y), b = made(torch.ones(1))
    assert [float(value) for value in (a, x, y, b)] == [1, 2, 3, 4]
    assert [float(value) for value in flat(made(torch.ones(1)))] == [1, 2, 3, 4]


def test_a_graph_without_such_outputs_stays_as_it_is():
    module = One()
    assert Nested.around(module) is module
    assert flat(torch.ones(1)) == (torch.ones(1),)
