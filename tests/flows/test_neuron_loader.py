"""Releases in the hands of the real optimum-neuron's loader, where `OPTIMUM_NEURON_PYTHON` names an interpreter that has it:
`make front-end-optimum` makes one.

Its imports of the SDK are stand-ins, and what runs is the double's: this is about files and tensors, and about nothing else.
"""

from __future__ import annotations

import json

import pytest
import torch
import transformers

from neuronbuild.artifact.codec import parse_action
from neuronbuild.models import MODEL_CLASSES
from neuronbuild.release.layout import compiled_by
from neuronbuild.tasks import FAMILIES, TASKS
from neuronbuild.tasks.loaders import LOADERS, VERSION, refusal
from tests.conftest import run_cli, write_recipe
from tests.doubles.neuron_sdk import install_sdk
from tests.flows import loaders
from tests.flows.loaders import PYTHON, Loaded
from tests.flows.neuron import Host

pytestmark = [
    pytest.mark.optimum,
    pytest.mark.skipif(PYTHON is None, reason="OPTIMUM_NEURON_PYTHON names no interpreter with optimum-neuron"),
]

CLOSE = 1e-4
NOTHING = "Could not find any neuron model file"
IDS = torch.arange(5, 23).reshape(2, 9)
WHOLE = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS), "token_type_ids": torch.zeros_like(IDS)}


def job(name: str, folder, given=WHOLE) -> dict:
    return {"class": name, "folder": str(folder), "inputs": {key: value.tolist() for key, value in given.items()}}


def load(neuron_built, tmp_path, class_name: str, folder, given=WHOLE) -> dict:
    return loaders.ask(neuron_built.sdk, tmp_path, [job(class_name, folder, given)])["answers"][0]


def test_a_release_is_loaded_and_gives_what_eager_pytorch_gives(neuron_built, device, models, tmp_path):
    said = load(neuron_built, tmp_path, "NeuronModelForMaskedLM", neuron_built.release("masked"))
    expected = transformers.AutoModelForMaskedLM.from_pretrained(models["fill-mask"]).eval()(IDS).logits
    torch.testing.assert_close(torch.tensor(said["outputs"]["logits"]), expected, atol=CLOSE, rtol=CLOSE)


def test_one_for_larger_batches_is_loaded(neuron_built, device, tmp_path):
    said = load(neuron_built, tmp_path, "NeuronModelForFeatureExtraction", neuron_built.release("split"))
    assert set(said["outputs"]) == {"last_hidden_state", "pooler_output"}


def test_one_whose_weights_lie_apart_is_refused(neuron_built, device, tmp_path):
    said = load(neuron_built, tmp_path, "NeuronModelForSequenceClassification", neuron_built.release("apart"))
    assert NOTHING in said["refused"]


def test_one_for_the_first_generation_is_refused(neuron_built, device, tmp_path):
    said = load(neuron_built, tmp_path, "NeuronModelForMaskedLM", neuron_built.release("first", "inf1"))
    assert "compiler type neuron-cc not recognized" in said["refused"]


@pytest.mark.soak
def test_every_shape_of_a_release_is_a_folder_that_is_loaded_where_that_is_wanted(models, tmp_path):
    sdk = install_sdk(tmp_path / "sdk")
    sdk.workspace(tmp_path / "work")
    keys = {"task": "fill-mask", "platforms": ["inf2"], "shapes": {"batch_size": 2, "sequence_length": [12, 16]}}
    model = models["fill-mask"]
    write_recipe(tmp_path / "work/recipes/each.yaml", name="each", model=str(model), release={"layout": "optimum"}, **keys)
    done = run_cli("apply", cwd=tmp_path / "work")
    assert done.returncode == 0, done.stderr
    sdk.set(device=True)
    release = tmp_path / "work/releases/each-inf2"
    folders = sorted((release / "buckets").iterdir())
    said = loaders.ask(sdk, tmp_path, [job("NeuronModelForMaskedLM", folder) for folder in (*folders, release)])
    *answers, whole = said["answers"]
    expected = transformers.AutoModelForMaskedLM.from_pretrained(model).eval()(IDS).logits
    assert len(answers) == 2
    for answer in answers:
        torch.testing.assert_close(torch.tensor(answer["outputs"]["logits"]), expected, atol=CLOSE, rtol=CLOSE)
    assert NOTHING in whole["refused"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Loaded:
    """A release for every task and family, and what the real loader made of each."""
    root = tmp_path_factory.mktemp("swept")
    sdk = install_sdk(root / "sdk", "2.30.0")  # of later ones the tracer dies of some families, as its double does
    report = loaders.build(sdk, root / "work", loaders.cases())
    sdk.set(device=True)
    made = Loaded(sdk, root / "work", report, {})
    wanted = [case for case in loaders.cases() if made.folder(case).is_dir()]
    assert wanted == loaders.cases(), report["log"]
    jobs = [
        job(LOADERS[case.task].name, made.folder(case), loaders.inputs_of(case, made.folder(case))) for case in loaders.cases()
    ]
    return Loaded(sdk, root / "work", report, loaders.ask(sdk, root, jobs))


def expected_refusal(swept: Loaded, case) -> str | None:
    manifests = [json.loads(file.read_text()) for file in swept.folder(case).glob("buckets/*/manifest.json")]
    return refusal(compiled_by([parse_action(manifest["action"]) for manifest in manifests]))


@pytest.mark.soak
def test_every_release_is_loaded_and_answers_as_eager_pytorch_does_or_its_card_says_that_it_isnt(swept):
    wrong = {case.name: fault for case in loaders.cases() if (fault := _fault(swept, case)) is not None}
    assert wrong == {}


def _fault(swept: Loaded, case) -> str | None:
    answer, reason = swept.answer(case), expected_refusal(swept, case)
    card = (swept.folder(case) / "README.md").read_text()
    if reason is not None:
        refused = NOTHING in answer.get("refused", "")
        return None if refused and reason in card else f"should be refused, and said on the card: {answer}"
    if f"optimum.neuron.{LOADERS[case.task].name}.from_pretrained" not in card:
        return "its card names no class"
    if "outputs" not in answer:
        return str(answer)
    given = loaders.inputs_of(case, swept.folder(case))
    expected = loaders.eager(case, swept.root / "models" / case.name, given)
    found = {name: torch.tensor(value) for name, value in answer["outputs"].items() if name != "attention_mask"}
    far = {name: _distance(tensor, expected[name]) for name, tensor in found.items()}
    return None if all(distance < CLOSE for distance in far.values()) else f"differs from eager: {far}"


def _distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, in parts of the largest value; infinite where shapes differ."""
    if found.shape != expected.shape:
        return float("inf")
    return float((found - expected).abs().max() / max(1.0, float(expected.abs().max())))


OWN = [("object-detection", "yolos"), ("zero-shot-image-classification", "clip"), ("fill-mask", "deberta")]
OWN += [(task, family) for family in ("bert", "xlm", "flaubert") for task in ("sentence-similarity", "fill-mask")]


@pytest.mark.soak
@pytest.mark.parametrize(("task", "family"), OWN)
def test_neuronbuild_itself_gives_the_tasks_own_outputs_with_token_types_or_without(swept, monkeypatch, tmp_path, task, family):
    Host.stand_in(monkeypatch, tmp_path / "host", swept.sdk)
    case = loaders.Case(task, family)
    model = MODEL_CLASSES[task].from_pretrained(swept.folder(case))
    given = loaders.inputs_of(case, swept.folder(case))
    untyped = {name: tensor for name, tensor in given.items() if name != "token_type_ids"}
    for inputs in (given, untyped):
        found, expected = model(**inputs), loaders.eager(case, swept.root / "models" / case.name, inputs)
        assert list(found) == [name for name in TASKS[task].graphs[0].outputs if name in expected]
        assert all(_distance(found[name], expected[name]) < CLOSE for name in found)


@pytest.mark.soak
def test_the_table_of_what_it_loads_is_its_registry(swept):
    assert swept.said["version"] == VERSION
    for task, loader in LOADERS.items():
        if task != "sentence-similarity":  # one type there, whatever is inside
            known = {*swept.said["registered"][task]} & {name for name, family in FAMILIES.items() if task in family.tasks}
            assert known == {name for name in loader.families if task in FAMILIES[name].tasks}, task
