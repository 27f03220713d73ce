from __future__ import annotations

import contextlib
import json
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from neuronbuild.artifact.header import LIMIT, HeaderError, read_header
from tests.tools.fuzz import few, json_values, many


def write(file, header, body: bytes = b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return file


def test_a_header_tells_dtype_and_shape_of_each_tensor(tmp_path):
    kinds = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int8, torch.uint8]
    tensors = {str(kind): torch.ones((2, 3), dtype=kind) for kind in [*kinds, torch.bool]}
    save_file(tensors, tmp_path / "w.safetensors", {"format": "pt"})
    assert read_header(tmp_path / "w.safetensors") == {name: (name.removeprefix("torch."), (2, 3)) for name in tensors}


def test_scalars_and_empty_tensors_are_tensors_too(tmp_path):
    save_file({"scalar": torch.tensor(1.0), "empty": torch.ones((0, 4))}, tmp_path / "w.safetensors")
    assert read_header(tmp_path / "w.safetensors") == {"scalar": ("float32", ()), "empty": ("float32", (0, 4))}


def test_a_dtype_that_torch_has_no_word_for_is_told_as_it_stands(tmp_path):
    file = write(tmp_path / "w", {"x": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}, b"1")
    assert read_header(file) == {"x": ("F4", (2,))}


def test_no_tensors_are_no_fault(tmp_path):
    assert read_header(write(tmp_path / "w", {"__metadata__": {"format": "pt"}})) == {}


@pytest.mark.parametrize("kept", [0, 4, 8, 20, -1, -8])
def test_a_file_that_is_cut_short_is_refused(tmp_path, kept):
    save_file({"x": torch.ones(4)}, tmp_path / "whole")
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:kept])
    with pytest.raises(HeaderError, match="cut"):
        read_header(tmp_path / "cut")


def test_a_file_that_goes_on_after_its_end_is_refused(tmp_path):
    save_file({"x": torch.ones(4)}, tmp_path / "w")
    with (tmp_path / "w").open("ab") as file:
        file.write(b"more")
    with pytest.raises(HeaderError, match="its header says"):
        read_header(tmp_path / "w")


@pytest.mark.parametrize("length", [LIMIT + 1, 1 << 40, (1 << 64) - 1])
def test_a_huge_header_is_refused_unread(tmp_path, length):
    (tmp_path / "w").write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(HeaderError, match=f"a header of {length:,} bytes"):
        read_header(tmp_path / "w")


def entry(**changes):
    return {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changes}}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"[]",
        {"x": None},
        {"x": {}},
        entry(dtype=[]),
        entry(shape=3),
        entry(shape=None),
        entry(data_offsets=[0]),
        entry(data_offsets=["a", "b"]),
        entry(data_offsets=[0, None]),
        entry(data_offsets={}),
        {**entry(), "y": {"dtype": "F32", "shape": [1], "data_offsets": [0, "4e9"]}},
    ],
)
def test_what_is_no_header_is_refused(tmp_path, header):
    with pytest.raises(HeaderError):
        read_header(write(tmp_path / "w", header, b"1234"))


def test_a_file_that_isnt_there_is_the_systems_fault(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_header(tmp_path / "nowhere")


def reads_or_refuses(file, data: bytes) -> None:
    file.write_bytes(data)
    with contextlib.suppress(HeaderError):
        assert isinstance(read_header(file), dict)


entries = st.fixed_dictionaries({}, optional=dict.fromkeys(("dtype", "shape", "data_offsets", "more"), json_values))


@few
@given(header=st.dictionaries(st.text(max_size=4), entries | json_values, max_size=3), body=st.binary(max_size=8))
def test_no_header_does_worse_than_being_refused(tmp_path_factory, header, body):
    text = json.dumps(header).encode()
    reads_or_refuses(tmp_path_factory.getbasetemp() / "header", struct.pack("<Q", len(text)) + text + body)


@pytest.mark.soak
@many
@given(data=st.binary(max_size=64))
def test_no_bytes_do_worse_than_being_refused(tmp_path_factory, data):
    reads_or_refuses(tmp_path_factory.getbasetemp() / "bytes", data)
