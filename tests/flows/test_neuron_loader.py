"""Releases in the hands of the real optimum-neuron's loader, where `OPTIMUM_NEURON_PYTHON` names an interpreter that has it.

Its imports of the SDK are stand-ins, and what runs is the double's: this is about files, and about nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import torch
import transformers

from tests.conftest import ROOT

PYTHON = os.environ.get("OPTIMUM_NEURON_PYTHON")
SCRIPT = ROOT / "tests/tools/optimum_loader.py"

pytestmark = pytest.mark.skipif(PYTHON is None, reason="OPTIMUM_NEURON_PYTHON names no interpreter with optimum-neuron")


def load(neuron_built, class_name: str, folder) -> dict:
    command = [PYTHON, str(SCRIPT), str(neuron_built.sdk.site), class_name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_release_is_loaded_and_gives_what_eager_pytorch_gives(neuron_built, device, models):
    said = load(neuron_built, "NeuronModelForMaskedLM", neuron_built.release("masked"))
    ids = torch.arange(5, 23).reshape(2, 9)
    expected = transformers.AutoModelForMaskedLM.from_pretrained(models["fill-mask"]).eval()(ids).logits
    torch.testing.assert_close(torch.tensor(said["outputs"]["logits"]), expected, atol=1e-4, rtol=1e-4)


def test_one_for_larger_batches_is_loaded(neuron_built, device):
    said = load(neuron_built, "NeuronModelForFeatureExtraction", neuron_built.release("split"))
    assert set(said["outputs"]) == {"last_hidden_state", "pooler_output"}


def test_one_whose_weights_lie_apart_is_refused(neuron_built, device):
    said = load(neuron_built, "NeuronModelForSequenceClassification", neuron_built.release("apart"))
    assert "Could not find any neuron model file" in said["refused"]


def test_one_for_the_first_generation_is_refused(neuron_built, device):
    said = load(neuron_built, "NeuronModelForMaskedLM", neuron_built.release("first", "inf1"))
    assert "compiler type neuron-cc not recognized" in said["refused"]
