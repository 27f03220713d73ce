from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from neuronbuild.worker import weights
from neuronbuild.worker.errors import UserError
from tests.flows import checkpoints
from tests.unit.worker.actions import make_action

TASK = "text-classification"


def convert(model, folder, task: str = TASK, names=("bert.embeddings.LayerNorm.bias", "classifier.bias"), **changes):
    """The result of a conversion, and the tensors that it wrote."""
    job = {"model": str(model), "folder": str(folder), "names": list(names), "action": {**make_action(task), **changes}}
    result = weights.convert(job)
    return result, load_file(folder / weights.FILE)


def test_the_tensors_that_were_asked_for_are_written_and_no_others(models, tmp_path):
    result, tensors = convert(models[TASK], tmp_path)
    held = load_file(models[TASK] / "model.safetensors")
    assert result == {"files": ["weights.safetensors"], "omitted": []}
    assert set(tensors) == {"bert.embeddings.LayerNorm.bias", "classifier.bias"}
    assert all(torch.equal(tensor, held[name]) for name, tensor in tensors.items())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_they_are_of_the_graphs_dtype_whatever_the_files(models, tmp_path, dtype):
    model = checkpoints.copy_model(models[TASK], tmp_path / "model", checkpoints.train)
    _, tensors = convert(model, tmp_path, dtype=dtype)
    held = load_file(model / "model.safetensors")
    assert all(torch.equal(tensor, held[name].to(getattr(torch, dtype))) for name, tensor in tensors.items())


def test_lowering_all_weights_is_a_conversion_too(models, tmp_path):
    compiler = {"auto_cast": "all", "auto_cast_type": "bf16", "optlevel": 2}
    _, tensors = convert(models[TASK], tmp_path, compiler=compiler)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}


def test_pickled_weights_are_read(models, tmp_path):
    model = checkpoints.pickle(models[TASK], tmp_path / "model")
    _, tensors = convert(model, tmp_path)
    held = load_file(models[TASK] / "model.safetensors")
    assert all(torch.equal(tensor, held[name]) for name, tensor in tensors.items())


def test_tied_weights_may_be_asked_for_by_either_name(models, tmp_path):
    names = ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight")
    _, tensors = convert(models["fill-mask"], tmp_path, "fill-mask", names)
    assert torch.equal(tensors[names[0]], tensors[names[1]])


def test_a_pooler_that_was_never_trained_is_zeros_and_its_output_is_left_out(models, tmp_path):
    result, tensors = convert(models["fill-mask"], tmp_path, "feature-extraction", ("pooler.dense.weight",))
    assert result["omitted"] == ["pooler_output"]
    assert not tensors["pooler.dense.weight"].any()


def test_weights_that_matter_must_be_there(models, tmp_path):
    with pytest.raises(UserError, match=r"no weights for classifier\.bias, classifier\.weight; is the task right"):
        convert(models["feature-extraction"], tmp_path)


def test_many_lost_weights_are_counted(models, tmp_path):
    model = checkpoints.copy_model(models[TASK], tmp_path / "model", lambda held: {"classifier.bias": held["classifier.bias"]})
    with pytest.raises(UserError, match=r"no weights for .*, .*, .* and \d+ more"):
        convert(model, tmp_path)


def test_weights_of_another_size_are_refused(models, tmp_path):
    change = lambda held: {**held, "classifier.weight": torch.ones(5, 32)}  # noqa: E731
    model = checkpoints.copy_model(models[TASK], tmp_path / "model", change)
    with pytest.raises(UserError, match=r"classifier.weight has shape \[5, 32\], the config asks for \[3, 32\]"):
        convert(model, tmp_path)


@pytest.mark.parametrize(("file", "data"), [("model.safetensors", b"garbage" * 9), ("pytorch_model.bin", b"garbage" * 9)])
def test_files_that_cant_be_read_are_the_users_fault(models, tmp_path, file, data):
    model = checkpoints.copy_model(models[TASK], tmp_path / "model")
    (model / "model.safetensors").unlink()
    (model / file).write_bytes(data)
    with pytest.raises(UserError, match="the checkpoint can't be read"):
        convert(model, tmp_path)


class Trap:
    """What would touch a file when it is unpickled."""

    def __init__(self, file) -> None:
        self.file = file

    def __reduce__(self):
        return type(self.file).touch, (self.file,)


def test_code_in_a_pickle_is_not_run(models, tmp_path):
    model = checkpoints.pickle(models[TASK], tmp_path / "model")
    torch.save({"classifier.bias": Trap(tmp_path / "sprung")}, model / "pytorch_model.bin")
    with pytest.raises(UserError, match="more than plain tensors were pickled"):
        convert(model, tmp_path)
    assert not (tmp_path / "sprung").exists()
