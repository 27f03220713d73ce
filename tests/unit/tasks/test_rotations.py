from __future__ import annotations

import pytest
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from neuronbuild.plan.subject import SubjectError, make_subject
from neuronbuild.tasks.rotations import KNOWN, fixed_length, unknown_rotation

PHI3 = {"model_type": "phi3", "architectures": ["Phi3ForCausalLM"], "max_position_embeddings": 131_072}
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "max_position_embeddings": 8192}
FACTORS = {"short_factor": [1.0] * 48, "long_factor": [2.0] * 48}


def test_the_known_types_are_those_of_transformers():
    assert set(KNOWN) == {*ROPE_INIT_FUNCTIONS, "default"}


@pytest.mark.parametrize(
    ("config", "longest"),
    [
        ({**PHI3, "rope_scaling": {"type": "longrope", **FACTORS}, "original_max_position_embeddings": 4096}, 4096),
        ({**PHI3, "rope_scaling": {"type": "su", **FACTORS}, "original_max_position_embeddings": 2048}, 2048),
        ({**PHI3, "rope_scaling": {"type": "yarn", **FACTORS}}, 4096),
        ({**PHI3, "rope_parameters": {"rope_type": "longrope", **FACTORS}}, 4096),
        ({**LLAMA, "rope_scaling": {"rope_type": "longrope", **FACTORS, "original_max_position_embeddings": 1024}}, 1024),
        ({**LLAMA, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, 8192),
        ({**LLAMA, "rope_scaling": {"type": "linear", "factor": 2.0}}, 8192),
        (LLAMA, 8192),
        (PHI3, 131_072),
    ],
)
def test_the_longest_sequence_is_that_up_to_which_frequencies_are_constants(config, longest):
    subject = make_subject(config, task="text-generation")
    assert subject.longest == longest
    assert subject.misfit("sequence_length", longest) is None
    fault = subject.misfit("sequence_length", longest + 1)
    assert f"{longest:,} tokens" in fault
    assert ("other frequencies" in fault) == (fixed_length(subject.model.config) is not None)


def test_every_kind_of_layer_counts():
    rotations = {"full_attention": {"rope_type": "dynamic"}, "sliding_attention": {"rope_type": "default"}}
    assert fixed_length({"rope_parameters": rotations, "max_position_embeddings": 64}) == 64
    assert fixed_length({"rope_parameters": rotations["sliding_attention"], "max_position_embeddings": 64}) is None
    assert unknown_rotation({"rope_parameters": {**rotations, "full_attention": {"rope_type": "spiral"}}}) == "spiral"


def test_an_unknown_type_is_refused_with_those_that_are_known():
    with pytest.raises(SubjectError, match="rope_type 'spiral', which is not known; known: default, linear") as caught:
        make_subject({**LLAMA, "rope_scaling": {"rope_type": "spiral"}}, task=None)
    assert caught.value.key == "model"
