from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from neuronbuild.worker import fast_ops

LIBRARY = {"aten.linear.default", "aten.scaled_dot_product_attention.default", "mkldnn._linear_pointwise.default"}


def program_of(function, *tensors):
    """The exported function."""

    class Module(torch.nn.Module):
        def forward(self, *given):
            return function(*given)

    with torch.no_grad(), fast_ops.FastForms():
        return torch.export.export(Module(), tensors)


def export(function, *tensors):
    """What the exported function gives, and which of its operators are the library's."""
    program = program_of(function, *tensors)
    with torch.no_grad():
        return program.module()(*tensors), LIBRARY & {str(node.target) for node in program.graph.nodes}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 16), (4, 1, 16), (2, 2, 16), (3, 16)])
def test_products_of_few_rows_are_the_same_numbers_written_out(shape, bias):
    layer = torch.nn.Linear(16, 8, bias=bias)
    tensor = torch.randn(shape)
    got, library = export(layer.forward, tensor)
    assert torch.allclose(got, layer(tensor), atol=1e-6)
    assert not library


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(5, 1, 16), (1, 5, 16), (2, 3, 5, 16), (5, 16)])
def test_products_of_more_rows_go_to_the_faster_library(shape, bias):
    layer = torch.nn.Linear(16, 8, bias=bias)
    tensor = torch.randn(shape)
    got, library = export(layer.forward, tensor)
    assert torch.allclose(got, layer(tensor), atol=1e-6)
    assert library == {"mkldnn._linear_pointwise.default"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_products_of_more_rows_in_another_precision_stay_as_they_are(dtype):
    layer = torch.nn.Linear(16, 8, dtype=dtype)
    got, library = export(layer.forward, torch.randn(5, 16, dtype=dtype))
    assert got.dtype == dtype
    assert library == {"aten.linear.default"}


def test_products_under_autocast_take_the_lower_precision():
    def lowered(tensor, weight):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return torch.nn.functional.linear(tensor, weight)

    tensor, weight = torch.randn(1, 16), torch.randn(8, 16)
    got, library = export(lowered, tensor, weight)
    assert got.dtype == torch.bfloat16
    assert torch.allclose(got, lowered(tensor, weight), rtol=2**-7, atol=0.05)  # a step of bfloat16 is 1/128 of the value
    assert not library


MASKS = {
    "none": None,
    "yes and no": torch.arange(6).reshape(1, 1, 1, 6) < torch.tensor([4, 6]).reshape(2, 1, 1, 1),
    "added": torch.randn(1, 3, 1, 6),
}


@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_of_one_token_is_the_same_numbers_written_out(mask, scale, dtype):
    query, key, value = (torch.randn(2, 3, length, 8, dtype=dtype) for length in (1, 6, 6))
    if mask is not None and mask.is_floating_point():
        mask = mask.to(dtype)
    got, library = export(lambda *given: scaled_dot_product_attention(*given, attn_mask=mask, scale=scale), query, key, value)
    expected = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    assert got.dtype == dtype
    assert torch.allclose(got, expected, atol=1e-6 if dtype == torch.float32 else 0.02)
    assert not library


def test_products_of_one_tensor_share_it_until_it_changes():
    first, second = torch.nn.Linear(16, 8), torch.nn.Linear(16, 8)

    def both(tensor):
        early = first(tensor), second(tensor)
        return *early, first(tensor.add_(1))

    tensor = torch.randn(1, 16)
    expected = both(tensor.clone())
    program = program_of(both, tensor.clone())
    kept = [node for node in program.graph.nodes if "force_stride_order" in str(node.target)]
    assert len(kept) == len(["before it changed", "after"])
    for got, wanted in zip(program.module()(tensor.clone()), expected, strict=True):
        assert torch.allclose(got, wanted, atol=1e-6)


def test_attention_over_a_view_of_a_larger_tensor_is_written_out_too():
    packed = torch.randn(2, 3, 1, 24)
    got, library = export(lambda packed: scaled_dot_product_attention(*packed.split(8, -1)), packed)
    assert torch.allclose(got, scaled_dot_product_attention(*packed.split(8, -1)), atol=1e-6)
    assert not library


@pytest.mark.parametrize(("batch", "tokens", "causal"), [(2, 2, False), (5, 1, False), (2, 1, True)])
def test_other_attention_stays_the_library_s(batch, tokens, causal):
    query, key = torch.randn(batch, 3, tokens, 8), torch.randn(batch, 3, 6, 8)
    _, library = export(lambda *given: scaled_dot_product_attention(*given, is_causal=causal), query, key, key)
    assert library == {"aten.scaled_dot_product_attention.default"}
