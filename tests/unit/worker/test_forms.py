"""Other forms of operators against torch's own, over sizes drawn by seed."""

from __future__ import annotations

import random

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from neuronbuild.worker.forms import LowerableForms

SEEDS = range(12)


class Seen(TorchDispatchMode):
    """Names of operators that are given a tensor without data."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, _types, args=(), kwargs=None):
        if any(isinstance(each, torch.Tensor) and each.is_meta for each in tree_leaves((args, kwargs))):
            self.names.append(str(function))
        return function(*args, **(kwargs or {}))


def same(function, *tensors) -> None:
    expected = function(*tensors)
    with LowerableForms():
        found = function(*tensors)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_windows_over_rows_are_torchs(seed):
    draw = random.Random(seed)
    size = draw.choice([1, 3, 5, 9])
    given = torch.randn(draw.randint(1, 3), draw.randint(1, 6), draw.randint(size, 20), 1)
    same(lambda tensor: functional.unfold(tensor, [size, 1], padding=[(size - 1) // 2, 0]), given)


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_of_a_direction_and_a_length_are_torchs(seed):
    draw = random.Random(seed)
    shape = [draw.randint(1, 7) for _ in range(3)]
    dim = draw.randrange(3)
    length = torch.randn([size if index == dim else 1 for index, size in enumerate(shape)])
    same(lambda direction, given: torch._weight_norm(direction, given, dim), torch.randn(shape), length)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_of_another_size_is_torchs(seed):
    draw = random.Random(seed)
    size = draw.randint(1, 17), draw.randint(1, 17)
    given = torch.randn(draw.randint(1, 2), draw.randint(1, 5), draw.randint(1, 9), draw.randint(1, 9))
    same(lambda tensor: functional.interpolate(tensor, size=size, mode="bicubic", align_corners=False), given)


@pytest.mark.parametrize(
    ("name", "function", "given"),
    [
        ("im2col", lambda tensor: functional.unfold(tensor, [3, 1], padding=[1, 0]), (2, 4, 6, 1)),
        ("_weight_norm", lambda tensor: torch._weight_norm(tensor, tensor[:1, :1], 2), (1, 1, 5)),
        ("bicubic", lambda tensor: functional.interpolate(tensor, size=(5, 7), mode="bicubic"), (1, 2, 3, 4)),
    ],
)
def test_the_operator_itself_is_gone(name, function, given):
    with Seen() as before:
        function(torch.empty(given, device="meta"))
    with Seen() as after, LowerableForms():
        function(torch.empty(given, device="meta"))
    assert [each for each in before.names if name in each]
    assert not [each for each in after.names if name in each]


@pytest.mark.parametrize(
    "function",
    [
        lambda tensor: functional.unfold(tensor, [3, 2]),
        lambda tensor: functional.unfold(tensor, [2, 1], stride=[2, 1]),
        lambda tensor: functional.interpolate(tensor, scale_factor=2.0, mode="bicubic"),
        lambda tensor: functional.interpolate(tensor, size=(9, 9), mode="bilinear"),
        lambda tensor: functional.interpolate(tensor, size=(9, 9), mode="bicubic", align_corners=True),
        lambda tensor: functional.interpolate(tensor, size=(3, 3), mode="bicubic", antialias=True),
    ],
)
def test_other_calls_stay_as_they_are(function):
    given = torch.randn(1, 2, 4, 6)
    with LowerableForms():
        assert torch.equal(function(given), function(given))
