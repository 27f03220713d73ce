from __future__ import annotations

import pytest

from neuronbuild.artifact.codec import decode_part
from neuronbuild.artifact.signature import ConstantSpec, Signature, TensorSpec
from tests.unit.artifact.records import SIGNATURE


@pytest.mark.parametrize(("shape", "axes"), [((1, 2), ("batch_size",)), ((1,), ("batch_size", None)), ((), (None,))])
def test_every_dimension_has_an_axis_or_none(shape, axes):
    with pytest.raises(ValueError, match=rf"logits: {len(shape)} dimensions, but {len(axes)} axes"):
        TensorSpec("logits", "float32", shape, axes)


def test_a_scalar_has_no_dimension():
    assert TensorSpec("loss", "float32", (), ()).shape == ()


def test_a_constant_is_the_checkpoints_unless_it_says_otherwise():
    spec = ConstantSpec("weight", "float32", (2, 3), (3, 1))
    assert (spec.tied, spec.in_artifact) == ((), False)


def test_a_graph_may_have_no_constants():
    assert Signature(SIGNATURE.inputs, SIGNATURE.outputs).constants == ()


def test_a_signature_from_a_worker_has_tuples_where_json_has_lists():
    value = {
        "inputs": [{"name": "input_ids", "dtype": "int64", "shape": [1, 64], "axes": ["batch_size", "sequence_length"]}],
        "outputs": [
            {"name": "logits", "dtype": "float32", "shape": [1, 64, 99], "axes": ["batch_size", "sequence_length", None]}
        ],
        "constants": [
            {"name": "model.bias", "dtype": "float32", "shape": [99], "stride": [1], "tied": ["bias", "decoder.bias"]}
        ],
    }
    assert decode_part(Signature, value) == SIGNATURE
