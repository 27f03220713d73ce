from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.artifact.action import CompilerPart, ModelPart
from neuronbuild.toolchain.base import OptionError
from neuronbuild.toolchain.neuronx import FILE, Neuronx, has_cache
from neuronbuild.toolchain.setup import Setup
from tests.unit.artifact.actions import compile_action
from tests.unit.neffs import archive, neff
from tests.unit.toolchain.test_flags import PLAIN

BERT = ModelPart("AutoModel", {"model_type": "bert"})
LLAMA = ModelPart("AutoModelForCausalLM", {"model_type": "llama"})


@pytest.fixture
def neuronx(tmp_path):
    return Neuronx(Setup(tmp_path, sdk="2.31.0"), "inf2")


def test_what_an_action_says_is_what_is_handed_over(neuronx):
    said = neuronx.options(replace(PLAIN, dynamic_batch_size=True), BERT)
    assert said.arguments[-1] == "--target=inf2"
    assert said.dynamic_batch_size is True


def test_a_model_with_a_cache_keeps_its_weights_inside(neuronx):
    with pytest.raises(OptionError, match="a model with a cache") as caught:
        neuronx.options(replace(PLAIN, weights="separate"), LLAMA)
    assert caught.value.keys == ("weights",)
    assert has_cache(LLAMA)


def test_weights_lie_apart_only_where_that_was_shown_of_the_graph(neuronx):
    bert = ModelPart("AutoModelForMaskedLM", {"model_type": "bert"})
    neuronx.options(replace(PLAIN, weights="separate"), bert)
    with pytest.raises(OptionError, match="that hum keeps every weight apart in its graph was not shown") as caught:
        neuronx.options(replace(PLAIN, weights="separate"), replace(bert, config={"model_type": "hum"}))
    assert caught.value.keys == ("weights",)


def test_masks_are_never_looked_into_by_attention(neuronx):
    assert neuronx.attention == "eager"


@pytest.mark.parametrize(("arguments", "cores"), [(["--lnc=2", "--target=trn2"], 2), (["--lnc=1"], 1), ([], 1)])
def test_cores_are_read_from_the_arguments(arguments, cores):
    assert CompilerPart(arguments=tuple(arguments)).logical_cores == cores


def test_a_file_with_a_neff_has_no_fault(neuronx, tmp_path):
    archive(tmp_path / FILE, neff(lnc=2))
    assert neuronx.fault(tmp_path, [FILE], compile_action(compiler=CompilerPart(arguments=("--lnc=2",)))) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no usable"),
        (lambda path: path.write_bytes(b""), "no usable"),
        (lambda path: path.write_bytes(b"12345"), "no NEFF"),
        (lambda path: archive(path, b"nothing"), "holds no NEFF"),
        (lambda path: archive(path, neff(lnc=2)), "for 2 physical cores a core, 1 was asked for"),
    ],
)
def test_a_success_without_a_usable_file_is_none(neuronx, tmp_path, make, message):
    make(tmp_path / FILE)
    assert message in neuronx.fault(tmp_path, [FILE], compile_action())
