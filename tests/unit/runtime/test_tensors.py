from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from neuronbuild.artifact.release_index import Binding
from neuronbuild.errors import ReleaseError
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.tensors import Tensors
from tests.unit.runtime.releases import alter_index, copy_release, list_anew, read_index

CONSTANT = "model.bert.embeddings.LayerNorm.bias"


@pytest.fixture
def release(built, tmp_path):
    return copy_release(built.releases["fill-mask"], tmp_path)


def bind(folder):
    read = read_release(folder)
    return Tensors(folder, read.index).constants(read.buckets[0])


def refusal(folder) -> str:
    with pytest.raises(ReleaseError) as caught:
        bind(folder)
    return str(caught.value)


def alter_weights(release, change) -> None:
    """Put other tensors into the weights' file, and have the index agree with it."""
    file = release / "model.safetensors"
    save_file(change(load_file(file)), file)
    list_anew(release, file.name)


def rebind(release, binding: Binding) -> None:
    alter_index(release, bindings={**read_index(release).bindings, CONSTANT: binding})


def test_every_constant_has_the_checkpoints_value(built, models):
    constants = bind(built.releases["fill-mask"])
    held = load_file(models["fill-mask"] / "model.safetensors")
    bindings = read_index(built.releases["fill-mask"]).bindings
    assert set(bindings) <= set(constants)
    for name, binding in bindings.items():
        assert torch.equal(constants[name], held[binding.tensor]), name


def test_constants_that_no_checkpoint_holds_come_with_the_compiled_file(built):
    release = built.releases["fill-mask"]
    own = load_file(release / read_index(release).buckets[0].folder / "constants.safetensors")
    constants = bind(release)
    assert own
    assert set(constants) == {*read_index(release).bindings, *own}
    assert all(torch.equal(constants[name], tensor) for name, tensor in own.items())


def test_tied_weights_are_one_mapping(built):
    constants = bind(built.releases["fill-mask"])
    tied = [name for name in constants if name.endswith(("word_embeddings.weight", "decoder.weight"))]
    assert len(tied) >= 1
    bindings = {read_index(built.releases["fill-mask"]).bindings[name] for name in tied}
    assert len(bindings) == 1
    assert {tuple(constants[name].shape) for name in tied} == {(120, 32)}


def test_buckets_share_their_tensors(built):
    read = read_release(built.releases["grid"])
    tensors = Tensors(read.folder, read.index)
    one, other = tensors.constants(read.buckets[0]), tensors.constants(read.buckets[1])
    assert all(one[name].data_ptr() == other[name].data_ptr() for name in read.index.bindings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda bias: bias.half(), "is float16 of shape [32]"),
        (lambda bias: bias[:-1].clone(), "is float32 of shape [31]"),
        (lambda bias: bias.reshape(1, 32).clone(), "is float32 of shape [1, 32]"),
    ],
)
def test_a_tensor_of_another_dtype_or_shape_is_refused(release, change, words):
    tensor = read_index(release).bindings[CONSTANT].tensor
    alter_weights(release, lambda held: {**held, tensor: change(held[tensor])})
    said = refusal(release)
    assert f"constant {CONSTANT} {words}" in said
    assert "the graph was compiled for float32 of shape [32] and strides [1]" in said


def test_a_binding_to_another_tensor_is_refused(release):
    rebind(release, Binding("model.safetensors", "bert.embeddings.position_embeddings.weight"))
    assert f"constant {CONSTANT} is float32 of shape [66, 32]" in refusal(release)


@pytest.mark.parametrize(
    "binding", [Binding("model.safetensors", "nowhere"), Binding("nowhere.safetensors", "x"), Binding("config.json", "x")]
)
def test_a_binding_to_nothing_is_refused(release, binding):
    rebind(release, binding)
    assert f"tensor {binding.tensor} of {binding.file} can't be read" in refusal(release)


def test_a_constant_without_a_binding_is_refused(release):
    bindings = {name: binding for name, binding in read_index(release).bindings.items() if name != CONSTANT}
    alter_index(release, bindings=bindings)
    assert f"its index binds no tensor to the constant {CONSTANT}" in refusal(release)
