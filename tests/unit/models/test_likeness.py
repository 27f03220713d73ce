from __future__ import annotations

import pytest
import torch
import transformers

from neuronbuild.errors import InputError
from neuronbuild.models.likeness import Likeness


class Generator(Likeness):
    def generate(self):
        """Nothing."""


def test_a_model_is_on_the_cpu_and_takes_float32():
    assert Likeness().device == torch.device("cpu")
    assert Likeness().dtype is torch.float32


@pytest.mark.parametrize(
    ("where", "named"), [(("cpu",), {}), ((torch.device("cpu"), torch.float32), {}), ((), {"device": "cpu"})]
)
def test_moving_it_to_where_it_is_gives_the_model_itself(where, named):
    model = Likeness()
    assert model.to(*where, **named) is model
    assert model.eval() is model


@pytest.mark.parametrize(("where", "named"), [(("cuda",), {}), ((torch.float16,), {}), ((), {"device": torch.device("meta")})])
def test_it_cannot_be_moved(where, named):
    with pytest.raises(InputError, match="can't be moved to"):
        Likeness().to(*where, **named)


@pytest.mark.parametrize(
    ("task", "read"),
    [
        ("fill-mask", ("text",)),
        ("text2text-generation", ("text",)),
        ("object-detection", ("image",)),
        ("zero-shot-image-classification", ("image", "text")),
        ("audio-xvector", ("audio",)),
        ("speech-seq2seq", ("audio",)),
    ],
)
def test_it_says_what_it_reads(task, read):
    assert type("Model", (Likeness,), {"task": task})().input_modalities == read


def test_what_has_generate_can_generate():
    assert Generator().can_generate()
    assert not Likeness().can_generate()


@pytest.mark.parametrize("kind", [transformers.LlamaForCausalLM, transformers.T5ForConditionalGeneration])
def test_what_is_generated_is_what_transformers_says(kind):
    assert Likeness().output_modalities == kind.output_modalities
