from __future__ import annotations

import json

import pytest
from hypothesis import given

from neuronbuild.artifact.fields import Field, canonical_fields, write_fields
from neuronbuild.digest import canonical_json
from tests.tools.fuzz import few, json_values

DOCUMENT = {"shape": {"sequence_length": 64, "batch_size": 1}, "weights": "separate", "flags": {}, "inputs": [{"b": 1, "a": 2}]}


def test_fields_come_in_canonical_order_with_their_canonical_text():
    assert list(canonical_fields(DOCUMENT)) == [
        Field(("flags",), "{}"),
        Field(("inputs",), '[{"a":2,"b":1}]'),
        Field(("shape", "batch_size"), "1"),
        Field(("shape", "sequence_length"), "64"),
        Field(("weights",), '"separate"'),
    ]


@few
@given(json_values)
def test_the_text_that_is_written_from_the_fields_is_the_canonical_text(value):
    assert write_fields(canonical_fields(value)).encode() == canonical_json(value)


@few
@given(json_values)
def test_no_two_fields_stand_at_one_path_and_each_text_is_json(value):
    fields = list(canonical_fields(value))
    assert len({field.path for field in fields}) == len(fields)
    assert [write_fields(canonical_fields(json.loads(field.text))) for field in fields] == [field.text for field in fields]


def test_a_number_that_isnt_finite_is_no_field():
    with pytest.raises(ValueError, match="not JSON compliant"):
        list(canonical_fields({"a": {"b": float("nan")}}))
