from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from neuronbuild.errors import ReleaseError
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.session import AotiSession
from neuronbuild.runtime.tensors import Tensors
from tests.unit.runtime.releases import copy_release, random_inputs


@pytest.fixture
def loaded(built):
    read = read_release(built.releases["fill-mask"])
    bucket = read.buckets[0]
    return bucket, Tensors(read.folder, read.index).constants(bucket)


def test_a_session_runs_at_its_shape(loaded):
    bucket, constants = loaded
    [logits] = AotiSession(bucket, constants).run(list(random_inputs(2, 16).values()))
    assert (tuple(logits.shape), logits.dtype) == (bucket.signature.outputs[0].shape, torch.float32)


def test_constants_must_be_just_those_that_the_graph_asks_for(loaded):
    bucket, constants = loaded
    with pytest.raises(ReleaseError, match=r"asks for other constants than its manifest lists: .*more"):
        AotiSession(bucket, {**constants, "more": torch.ones(1)})
    fewer = dict(list(constants.items())[1:])
    with pytest.raises(ReleaseError, match="asks for other constants"):
        AotiSession(bucket, fewer)


@pytest.mark.parametrize("data", [b"", b"not a package", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_package_is_told(built, loaded, tmp_path, data):
    release = copy_release(built.releases["fill-mask"], tmp_path)
    bucket, constants = loaded
    folder = release / bucket.folder.relative_to(built.releases["fill-mask"])
    (folder / "model.pt2").unlink()
    (folder / "model.pt2").write_bytes(data)
    with pytest.raises(ReleaseError, match="torch can't load it") as caught:
        AotiSession(replace(bucket, folder=folder, file=folder / "model.pt2"), constants)
    assert "TMPDIR must name a folder with space" in caught.value.hint


def test_weights_live_as_long_as_the_session(loaded):
    bucket, constants = loaded
    inputs = list(random_inputs(2, 16).values())
    session = AotiSession(bucket, {name: tensor.clone() for name, tensor in constants.items()})
    before = session.run(inputs)[0].clone()
    rubbish = [torch.full_like(tensor, torch.nan) for tensor in constants.values() if tensor.is_floating_point()]
    assert torch.equal(session.run(inputs)[0], before)
    assert rubbish
