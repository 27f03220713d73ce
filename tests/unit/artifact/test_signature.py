from __future__ import annotations

import pytest

from neuronbuild.artifact.codec import decode_part
from neuronbuild.artifact.signature import Signature, TensorSpec
from tests.unit.artifact.records import SIGNATURE


@pytest.mark.parametrize(("shape", "axes"), [((1, 2), ("batch_size",)), ((1,), ("batch_size", None)), ((), (None,))])
def test_every_dimension_has_an_axis_or_none(shape, axes):
    with pytest.raises(ValueError, match=rf"logits: {len(shape)} dimensions?, but {len(axes)} ax[ie]s"):
        TensorSpec("logits", "float32", shape, axes)


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
