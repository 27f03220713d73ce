from __future__ import annotations

import pytest
import torch
from sentence_transformers.sentence_transformer import modules as library

from neuronbuild.worker import heads
from neuronbuild.worker.errors import UserError

LINEAR = {"kind": "Dense", "path": "2_Dense", "in_features": 6, "out_features": 4, "bias": True, "activation": "Tanh"}
STEPS = {
    "a change of width": ({**LINEAR, "use_residual": False}, library.Dense(6, 4)),
    "a residual of another width": ({**LINEAR, "use_residual": True}, library.Dense(6, 4, use_residual=True)),
    "a residual": (
        {**LINEAR, "out_features": 6, "bias": False, "activation": "Identity", "use_residual": True},
        library.Dense(6, 6, bias=False, activation_function=None, use_residual=True),
    ),
    "a norm": ({"kind": "LayerNorm", "path": "2_LayerNorm", "dimension": 6}, library.LayerNorm(6)),
}


def attach(step, folder="", dtype=torch.float32):
    action = {"model": {"sentence_modules": [{"kind": "Pooling"}, step]}}
    return getattr(heads.attach(torch.nn.Module(), action, dtype, str(folder)), step["path"])


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("name", STEPS)
def test_a_head_is_the_librarys_with_its_weights(name, safe, tmp_path):
    step, theirs = STEPS[name]
    (tmp_path / step["path"]).mkdir()
    theirs.save(str(tmp_path / step["path"]), safe_serialization=safe)
    vectors = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    made = attach(step, tmp_path)
    assert torch.allclose(made(vectors), theirs({"sentence_embedding": vectors.clone()})["sentence_embedding"], atol=1e-6)
    assert {*made.state_dict()} == {*theirs.state_dict()}


def test_heads_are_of_the_dtype_that_is_asked_for():
    assert {each.dtype for each in attach(STEPS["a norm"][0], dtype=torch.bfloat16).parameters()} == {torch.bfloat16}


def test_weights_that_are_missing_or_of_another_module_are_told(tmp_path):
    step = STEPS["a change of width"][0]
    with pytest.raises(UserError, match="2_Dense has no weights"):
        attach(step, tmp_path)
    (tmp_path / "2_Dense").mkdir()
    library.LayerNorm(6).save(str(tmp_path / "2_Dense"))
    with pytest.raises(UserError, match=r"2_Dense/model.safetensors doesn't hold this module's weights"):
        attach(step, tmp_path)
    (tmp_path / "2_Dense/model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="doesn't hold"):
        attach(step, tmp_path)


def test_models_of_other_tasks_get_none():
    assert not [*heads.attach(torch.nn.Module(), {"model": {}}, torch.float32).children()]
