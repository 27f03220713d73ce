"""Running what was compiled for Neuron, on doubles that run it on the CPU: nothing here has run on Neuron hardware."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import transformers

from neuronbuild import (
    NeuronModelForCausalLM,
    NeuronModelForFeatureExtraction,
    NeuronModelForMaskedLM,
    NeuronModelForSeq2SeqLM,
    NeuronModelForSequenceClassification,
    NeuronSentenceTransformers,
)
from neuronbuild.errors import ReleaseError

TEXT = ["the cat sits on a mat", "who is it"]


def encode(models, task, texts=TEXT):
    return transformers.AutoTokenizer.from_pretrained(models[task])(texts, return_tensors="pt", padding=True)


def test_a_masked_model_gives_what_eager_pytorch_gives(neuron_built, device, models):
    inputs = encode(models, "fill-mask")
    expected = transformers.AutoModelForMaskedLM.from_pretrained(models["fill-mask"]).eval()(**inputs).logits
    got = NeuronModelForMaskedLM.from_pretrained(neuron_built.release("masked"))(**inputs).logits
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_the_cheapest_shape_is_run(neuron_built, device, models):
    model = NeuronModelForMaskedLM.from_pretrained(neuron_built.release("masked"))
    device.sdk.forget()
    model(**encode(models, "fill-mask", ["the cat", "a dog"]))
    assert device.sdk.diary("run")[0]["inputs"][0] == [2, 8]


def test_weights_that_lie_apart_are_bound_when_it_is_loaded(neuron_built, device, models):
    inputs = encode(models, "text-classification")
    expected = transformers.AutoModelForSequenceClassification.from_pretrained(models["text-classification"]).eval()(**inputs)
    device.sdk.forget()
    got = NeuronModelForSequenceClassification.from_pretrained(neuron_built.release("apart"), core=1)(**inputs)
    torch.testing.assert_close(got.logits, expected.logits, atol=1e-4, rtol=1e-4)
    assert [entry["call"] for entry in device.sdk.diary()][:3] == ["load", "replace_weights", "move_trace_to_device"]
    assert device.sdk.diary("move_trace_to_device")[0]["device"] == 1


def test_larger_batches_are_split(neuron_built, device, models):
    inputs = encode(models, "feature-extraction", ["the cat", "a dog", "who is it", "a red car", "the sun"])
    expected = transformers.AutoModel.from_pretrained(models["feature-extraction"]).eval()(**inputs).last_hidden_state
    got = NeuronModelForFeatureExtraction.from_pretrained(neuron_built.release("split"))(**inputs).last_hidden_state
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_sentences_are_pooled_in_the_graph(neuron_built, device, models):
    inputs = encode(models, "sentence-similarity")
    got = NeuronSentenceTransformers.from_pretrained(neuron_built.release("sentences"))(**inputs)
    assert got.sentence_embedding.shape == (2, 32)


def test_the_first_generation_runs_in_its_own_framework(neuron_built, device, models):
    device.become("inf1.xlarge")
    inputs = encode(models, "fill-mask")
    expected = transformers.AutoModelForMaskedLM.from_pretrained(models["fill-mask"]).eval()(**inputs).logits
    got = NeuronModelForMaskedLM.from_pretrained(neuron_built.release("first", "inf1"))(**inputs).logits
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("how", [{"do_sample": False}, {"num_beams": 2}], ids=str)
def test_text_is_generated_over_a_cache_on_the_device(neuron_built, device, models, how):
    inputs = {"input_ids": torch.randint(5, 120, (2, 11), generator=torch.Generator().manual_seed(0))}
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    eager = transformers.AutoModelForCausalLM.from_pretrained(models["text-generation"]).eval()
    model = NeuronModelForCausalLM.from_pretrained(neuron_built.release("generator"))
    got, expected = (each.generate(**inputs, max_new_tokens=12, **how) for each in (model, eager))
    assert got.tolist() == expected.tolist()


def test_a_sequence_becomes_another(neuron_built, device, models):
    inputs = {"input_ids": torch.randint(5, 120, (2, 9), generator=torch.Generator().manual_seed(0))}
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    eager = transformers.AutoModelForSeq2SeqLM.from_pretrained(models["text2text-generation"]).eval()
    model = NeuronModelForSeq2SeqLM.from_pretrained(neuron_built.release("translator"))
    got, expected = (each.generate(**inputs, max_new_tokens=10, do_sample=False) for each in (model, eager))
    assert got.tolist() == expected.tolist()


@pytest.mark.parametrize("instance", ["trn1.2xlarge", "trn1n.32xlarge", "inf2.48xlarge"])
def test_instances_with_the_same_cores_run_it(neuron_built, device, instance):
    device.become(instance)
    NeuronModelForMaskedLM.from_pretrained(neuron_built.release("masked"), warm=True)


def test_a_core_can_be_chosen(neuron_built, device):
    device.sdk.forget()
    NeuronModelForMaskedLM.from_pretrained(neuron_built.release("masked"), core=3, warm=True)
    assert {entry["start"] for entry in device.sdk.diary("set_neuron_cores")} == {3}


@pytest.mark.parametrize(
    ("instance", "driver", "message"),
    [
        ("m7i.large", "", "compiled for inf2, and this host has no Neuron device"),
        ("trn2.48xlarge", "245 neuron\n", "compiled for inf2, and this host is trn2"),
        ("trn2u.48xlarge", "245 neuron\n", "compiled for inf2, and this host is trn2"),
        ("inf1.xlarge", "245 neuron\n", "compiled for inf2, and this host is inf1"),
    ],
)
def test_another_host_is_told_before_the_runtime_is_touched(neuron_built, device, instance, driver, message):
    device.become(instance, driver)
    device.sdk.forget()
    with pytest.raises(ReleaseError, match=message):
        NeuronModelForMaskedLM.from_pretrained(neuron_built.release("masked"))
    assert device.sdk.diary() == []


def test_a_neff_that_is_newer_than_the_runtime_is_told(neuron_built, device):
    device.sdk.set(runtime="old")
    with pytest.raises(ReleaseError, match="newer than this host's Neuron runtime: NEFF version") as caught:
        NeuronModelForMaskedLM.from_pretrained(neuron_built.release("masked"), warm=True)
    assert "sdk" in caught.value.hint


def test_a_runtime_that_doesnt_start_is_told(neuron_built, device):
    device.sdk.set(device=False)
    with pytest.raises(ReleaseError, match="the Neuron runtime doesn't start"):
        NeuronModelForMaskedLM.from_pretrained(neuron_built.release("masked"), warm=True)


def test_a_file_without_a_neff_is_refused_before_the_runtime_is_touched(neuron_built, device, tmp_path):
    folder = shutil.copytree(neuron_built.release("masked"), tmp_path / "copy")
    file = folder / "model.neuron"
    file.unlink()
    torch.jit.script(torch.nn.Identity()).save(str(file))
    index = json.loads((folder / "neuronbuild.json").read_text())
    size = next(entry["size"] for entry in index["files"] if entry["path"] == "model.neuron")
    file.write_bytes(file.read_bytes() + b"\0" * (size - file.stat().st_size))
    device.sdk.forget()
    with pytest.raises(ReleaseError, match="model"):
        NeuronModelForMaskedLM.from_pretrained(folder, warm=True)
    assert [entry for entry in device.sdk.diary("load") if str(file) in entry["file"]] == []


def test_an_environment_without_the_framework_is_told(neuron_built, device, monkeypatch):
    monkeypatch.setattr("sys.path", [entry for entry in __import__("sys").path if entry != str(device.sdk.site)])
    with pytest.raises(ReleaseError, match="torch-neuronx is not installed") as caught:
        NeuronModelForMaskedLM.from_pretrained(neuron_built.release("masked"))
    assert "pip install" in caught.value.hint
