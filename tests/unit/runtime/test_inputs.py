from __future__ import annotations

import numpy
import pytest
import torch

from neuronbuild.artifact.signature import TensorSpec
from neuronbuild.counts import counted
from neuronbuild.errors import InputError
from neuronbuild.runtime.inputs import complete_inputs
from neuronbuild.tasks.limits import Known

AXES = ("batch_size", "sequence_length")
NAMES = ("input_ids", "attention_mask", "token_type_ids")
SPECS = [TensorSpec(name, "int64", (4, 16), AXES) for name in NAMES]
LIMITS = {"input_ids": 100, "token_type_ids": 2}
MASKS = {"attention_mask": 1, "pooling_mask": 1}
KNOWN = Known(LIMITS, {**MASKS, "token_type_ids": 0})


def ids(*shape: int) -> torch.Tensor:
    return torch.arange(torch.Size(shape).numel()).reshape(shape)


def complete(specs=SPECS, known=KNOWN, **given) -> dict[str, torch.Tensor]:
    tensors, _ = complete_inputs(given, specs, known)
    return {spec.name: tensor for spec, tensor in zip(specs, tensors, strict=True)}


def refusal(specs=SPECS, **given) -> InputError:
    with pytest.raises(InputError) as caught:
        complete(specs, **given)
    return caught.value


def test_inputs_come_in_the_graphs_order_whatever_the_callers():
    tensors = complete(token_type_ids=ids(1, 2), attention_mask=ids(1, 2) + 5, input_ids=ids(1, 2) + 10)
    assert [tensor.tolist() for tensor in tensors.values()] == [[[10, 11]], [[5, 6]], [[0, 1]]]
    assert list(tensors) == list(NAMES)


def test_a_mask_that_isnt_given_is_ones_and_token_types_are_zeros():
    tensors = complete(input_ids=ids(2, 3), attention_mask=None)
    assert tensors["attention_mask"].tolist() == [[1, 1, 1]] * 2
    assert tensors["token_type_ids"].tolist() == [[0, 0, 0]] * 2


def test_token_types_are_required_where_zeros_are_not_the_same_as_none():
    given = {"input_ids": ids(1, 2), "token_type_ids": ids(1, 2)}
    assert complete(SPECS, Known(LIMITS, MASKS), **given)["token_type_ids"].tolist() == [[0, 1]]
    with pytest.raises(InputError, match="the input token_type_ids is missing"):
        complete(SPECS, Known(LIMITS, MASKS), input_ids=ids(1, 2))


def test_token_types_are_what_says_none_where_another_number_than_zero_does():
    none = Known(LIMITS, {**MASKS, "token_type_ids": -1})
    assert complete(SPECS, none, input_ids=ids(1, 2))["token_type_ids"].tolist() == [[-1, -1]]
    assert complete(SPECS, none, input_ids=ids(1, 2), token_type_ids=ids(1, 2))["token_type_ids"].tolist() == [[0, 1]]
    with pytest.raises(InputError, match="token_type_ids holds -1; this model knows 0 to 1"):
        complete(SPECS, none, input_ids=ids(1, 2), token_type_ids=ids(1, 2) - 1)


def test_what_a_model_pays_no_heed_to_may_hold_anything():
    deaf = Known(LIMITS, MASKS, frozenset({"token_type_ids"}))
    given = {"input_ids": ids(1, 2), "token_type_ids": ids(1, 2)}
    assert list(complete(SPECS[:2], deaf, **given)) == list(NAMES[:2])
    assert refusal(SPECS[:2], **given).message == "unknown input token_type_ids"


def test_every_token_that_isnt_padding_is_pooled_where_nothing_else_is_given():
    specs = [*SPECS, TensorSpec("pooling_mask", "int64", (4, 16), AXES)]
    assert complete(specs, input_ids=ids(1, 3))["pooling_mask"].tolist() == [[1, 1, 1]]
    mask = torch.tensor([[1, 1, 0]])
    assert complete(specs, input_ids=ids(1, 3), attention_mask=mask)["pooling_mask"].tolist() == [[1, 1, 0]]
    assert complete(specs, input_ids=ids(1, 3), pooling_mask=mask)["attention_mask"].tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8, torch.bool])
def test_integers_of_any_width_are_taken(dtype):
    tensors = complete(input_ids=ids(1, 2).to(dtype))
    assert (tensors["input_ids"].dtype, tensors["input_ids"].tolist()) == (torch.int64, [[0, 1]])


@pytest.mark.parametrize(
    "tensor",
    [ids(3, 2).t(), ids(2, 6)[:, ::2], torch.tensor([1, 2, 3]).expand(2, 3), ids(2, 3).as_strided((2, 3), (1, 1))],
)
def test_memory_is_in_row_order_whatever_the_callers_strides(tensor):
    assert not tensor.is_contiguous()
    completed = complete(input_ids=tensor)["input_ids"]
    assert completed.is_contiguous()
    assert torch.equal(completed, tensor)


def test_nothing_is_copied_without_need():
    tensor = ids(2, 3)
    assert complete(input_ids=tensor)["input_ids"].data_ptr() == tensor.data_ptr()


def test_the_main_input_must_be_there():
    error = refusal(attention_mask=ids(1, 2))
    assert error.message == "the input input_ids is missing"
    assert error.hint.startswith("this model takes input_ids, attention_mask, token_type_ids; the tokenizer or processor")


def test_an_unknown_input_is_told_with_the_nearest_name():
    error = refusal(input_ids=ids(1, 2), atention_mask=ids(1, 2))
    assert (error.message, error.hint) == ("unknown input atention_mask", "did you mean attention_mask?")
    assert refusal(input_ids=ids(1, 2), labels=ids(1, 2)).hint == "this model takes input_ids, attention_mask, token_type_ids"


def test_token_types_of_zeros_are_dropped_where_a_model_has_none():
    assert list(complete(SPECS[:2], input_ids=ids(1, 2), token_type_ids=torch.zeros(1, 2).long())) == list(NAMES[:2])
    assert refusal(SPECS[:2], input_ids=ids(1, 2), token_type_ids=ids(1, 2)).message == "unknown input token_type_ids"


@pytest.mark.parametrize("value", [[[1, 2]], numpy.array([[1, 2]]), 3, "text"])
def test_what_is_no_tensor_is_refused_with_what_to_do(value):
    error = refusal(input_ids=value)
    assert error.message == f"input_ids is a {type(value).__name__}, not a tensor"
    assert 'return_tensors="pt"' in error.hint


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.complex64])
def test_other_than_integers_are_refused(dtype):
    assert refusal(input_ids=ids(1, 2).to(dtype)).message == f"input_ids holds {dtype}; it must hold integers"


def test_a_tensor_on_another_device_is_refused():
    assert refusal(input_ids=ids(1, 2).to("meta")).message == "input_ids is on the device meta"


@pytest.mark.parametrize("shape", [(3,), (1, 2, 3), ()])
def test_another_rank_is_refused(shape):
    error = refusal(input_ids=torch.zeros(shape, dtype=torch.int64))
    assert error.message == f"input_ids has {counted(len(shape), 'dimension')}; the graph takes 2: batch_size, sequence_length"


def test_inputs_of_different_shapes_are_refused():
    error = refusal(input_ids=ids(1, 3), attention_mask=ids(1, 2))
    assert error.message == "attention_mask has shape [1, 2], but input_ids has [1, 3]"


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_nothing_at_all_is_refused(shape):
    assert refusal(input_ids=ids(*shape)).message == f"input_ids is empty: its shape is {list(shape)}"


@pytest.mark.parametrize(("name", "strange", "last"), [("input_ids", 100, 99), ("input_ids", -1, 99), ("token_type_ids", 2, 1)])
def test_ids_outside_their_table_are_refused(name, strange, last):
    given = {"input_ids": ids(1, 2), name: torch.tensor([[0, strange]])}
    assert refusal(**given).message == f"{name} holds {strange}; this model knows 0 to {last}"


def test_the_last_id_of_a_table_is_taken():
    complete(input_ids=torch.tensor([[0, 99]]), token_type_ids=torch.tensor([[0, 1]]))


def test_sparse_tensors_are_refused_with_what_to_do():
    assert refusal(input_ids=ids(1, 3).to_sparse()).hint == "call .to_dense() on it"
