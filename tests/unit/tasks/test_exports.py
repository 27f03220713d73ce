from __future__ import annotations

import pytest

from neuronbuild.tasks import FAMILIES, PIPELINES, TASKS
from neuronbuild.tasks.exports import (
    EMBEDDING,
    EXPORTS,
    GENERATION,
    exported_family,
    exports_of,
    refusal,
)


def test_every_task_of_the_table_is_delegated_and_every_delegated_task_is_in_it_or_a_pipelines():
    of_pipelines = {task for pipeline in PIPELINES.values() for task in pipeline.loaders}
    delegated = {name for name, row in TASKS.items() if row.delegated}
    for row in EXPORTS.values():
        assert set(row.models) == delegated - of_pipelines


@pytest.mark.parametrize(
    ("version", "row"),
    [("0.4.4", "0.4.5"), ("0.4.5", "0.4.5"), ("0.4.6", "0.4.5"), ("0.4.7.dev0", "0.4.7"), ("0.4.7", "0.4.7"), ("0.5", "0.4.7")],
)
def test_a_version_does_what_the_newest_row_says_that_isnt_newer(version, row):
    assert exports_of(version) is EXPORTS[row]


@pytest.mark.parametrize("model_type", ["mixtral", "qwen3_moe", "llama4_text"])
def test_decoders_that_have_no_graphs_here_are_exported_all_the_same(model_type):
    assert model_type not in FAMILIES
    assert exported_family(model_type).tasks == (GENERATION,)
    assert refusal(model_type, GENERATION, "0.4.5") is None


@pytest.mark.parametrize("model_type", ["gpt2", "opt", "gemma", "mistral", "falcon"])
def test_decoders_that_it_hasnt_are_told_with_those_that_it_has(model_type):
    told = refusal(model_type, GENERATION, "0.4.5")
    assert told == (
        f"optimum-neuron 0.4.5 doesn't export {model_type} for text-generation, only granite, llama, llama4_text, mixtral, "
        "phi3, qwen2, qwen3, qwen3_moe, smollm3; leave this out"
    )
    assert exported_family(model_type).tasks == ()


@pytest.mark.parametrize("model_type", ["mt5", "bart", "marian", "m2m_100", "pegasus", "mbart"])
def test_of_models_from_text_to_text_it_has_t5_alone(model_type):
    assert "only t5;" in refusal(model_type, "text2text-generation")
    assert refusal("t5", "text2text-generation") is None


def test_a_task_that_it_isnt_used_for_is_told():
    assert refusal("bert", "fill-mask").startswith("optimum-neuron isn't used for fill-mask, only for feature-extraction, ")


def test_decoders_that_embed_are_qwen3_alone():
    assert refusal("qwen3", EMBEDDING, "0.4.5") is None
    assert "only qwen3;" in refusal("bert", EMBEDDING, "0.4.5")
    assert exported_family("qwen3").tasks == (GENERATION, EMBEDDING)


def test_a_type_of_a_later_version_is_known_and_refused_before_it():
    assert refusal("gemma3_text", GENERATION) is None
    assert "0.4.5 doesn't export gemma3_text" in refusal("gemma3_text", GENERATION, "0.4.5")


def test_what_is_known_of_a_family_here_is_kept():
    assert exported_family("whisper").tasks == ("speech-seq2seq",)
    assert exported_family("t5").positions == FAMILIES["t5"].positions
