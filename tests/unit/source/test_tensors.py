from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from neuronbuild.errors import SourceError
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.local import FolderSource
from neuronbuild.source.tensors import POINTER, refuse_tensors
from tests.tools.tiny import tiny_decoder

NAME = "model.safetensors"
LAYER = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def refused(tmp_path):
    def refused(*names):
        save_file({name: torch.zeros(1) for name in names}, tmp_path / NAME)
        with pytest.raises(SourceError) as caught:
            refuse_tensors("m", {name: tmp_path / name for name in ("config.json", NAME)})
        return caught.value

    return refused


@pytest.mark.parametrize(
    "tensor",
    [f"base_model.{LAYER}.lora_A.default.weight", f"{LAYER}.base_layer.weight", "lm_head.modules_to_save.default.weight"],
)
def test_the_tensors_of_an_adapter_are_refused_by_name(tensor, refused):
    error = refused(f"{LAYER}.weight", tensor)
    assert f"{NAME} holds weights of an adapter ({tensor})" in str(error)
    assert "merge_and_unload()" in error.hint


@pytest.mark.parametrize("kind", ["qweight", "weight_packed", "weight_scale_inv", "SCB", "weight.absmax", "weight._scale"])
def test_the_tensors_of_quantized_weights_are_refused_by_name(kind, refused):
    error = refused(f"{LAYER}.{kind}")
    assert f"{NAME} holds quantized weights ({LAYER}.{kind})" in str(error)
    assert "full precision" in error.hint


def test_a_file_that_git_lfs_hasnt_fetched_is_told(tmp_path):
    (tmp_path / NAME).write_bytes(POINTER + b"v1\noid sha256:0\nsize 9\n")
    with pytest.raises(SourceError, match="Git LFS hasn't fetched") as caught:
        refuse_tensors("m", {NAME: tmp_path / NAME})
    assert "git lfs pull" in caught.value.hint


def test_what_cant_be_read_is_left_to_whoever_needs_it(tmp_path):
    (tmp_path / NAME).write_bytes(b"weights")
    refuse_tensors("m", {NAME: tmp_path / NAME})


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_a_models_own_weights_are_let_through(family, tmp_path):
    tiny_decoder(family).save_pretrained(tmp_path)
    model = FolderSource(tmp_path, DigestMemory(None)).resolve(str(tmp_path), None)
    assert list(model.snapshot.weights) == [NAME]


def test_a_folders_tensors_are_looked_at_when_it_is_resolved(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    save_file({f"{LAYER}.qweight": torch.zeros(1)}, tmp_path / NAME)
    with pytest.raises(SourceError, match="holds quantized weights"):
        FolderSource(tmp_path, DigestMemory(None)).resolve(str(tmp_path), None)
