"""What the pages on adding a task and a platform say, followed on a copy of the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import TEXT, make_model, run_cli, write_recipe
from tests.tools.worked_example import apply_page

CLASS = "NextSentencePrediction"
COMPARED = f"""
import json, torch, transformers, neuronbuild
ours = neuronbuild.NeuronModelFor{CLASS}.from_pretrained("releases/pairs-cpu")
eager = transformers.AutoModelFor{CLASS}.from_pretrained("model").eval()
ids = torch.randint(3, 120, (2, 16), generator=torch.Generator().manual_seed(3))
with torch.no_grad():
    got, expected = ours(input_ids=ids, attention_mask=torch.ones_like(ids)), eager(ids)
print(json.dumps([type(got).__name__, float((got.logits - expected.logits).abs().max())]))
"""


@pytest.fixture(scope="module")
def with_task(tmp_path_factory):
    root = tmp_path_factory.mktemp("task")
    apply_page("add-a-task.md", root / "changed")
    make_model(root / "model", f"AutoModelFor{CLASS}", seed=3)
    write_recipe(root / "recipes/pairs.yaml", model="../model", shapes=TEXT)
    return root


def test_the_new_task_is_inferred_compiled_and_answers_as_eager_pytorch_does(with_task):
    changed = {"PYTHONPATH": str(with_task / "changed")}
    done = run_cli("apply", "recipes", "--json", cwd=with_task, env=changed)
    assert done.returncode == 0, done.stderr
    assert [step["task"] for step in json.loads(done.stdout)["steps"]] == ["next-sentence-prediction"]
    command, environment = [sys.executable, "-c", COMPARED], {**os.environ, **changed}
    said = subprocess.run(command, cwd=with_task, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    output_class, difference = json.loads(said.stdout.splitlines()[-1])
    assert output_class == "NextSentencePredictorOutput"
    assert difference < 1e-5


def test_without_the_change_the_models_task_isnt_known(with_task):
    done = run_cli("plan", "recipes", cwd=with_task)
    assert done.returncode == 2
    assert "the task can't be told from the config" in done.stderr


def test_the_new_platform_is_planned_for_by_the_first_release_that_compiles_for_it(tmp_path, models):
    changed = {"PYTHONPATH": str(apply_page("add-a-platform.md", tmp_path / "changed"))}
    recipe = {"model": str(models["fill-mask"]), "task": "fill-mask", "platforms": ["trn4"], "shapes": TEXT}
    write_recipe(tmp_path / "recipes/a.yaml", **recipe)
    done = run_cli("plan", "recipes", "--sdk", "2.33.0", "--json", cwd=tmp_path, env=changed)
    assert done.returncode == 0, done.stderr
    [step] = json.loads(done.stdout)["steps"]
    assert (step["platform"], step["state"]) == ("trn4", "miss")
    assert "--target=trn4" in step["arguments"]
    older = run_cli("plan", "recipes", "--sdk", "2.31.0", cwd=tmp_path, env=changed)
    assert "neuronx-cc 2.26 doesn't compile for trn4; use SDK 2.33.0 or newer" in older.stderr
    unchanged = run_cli("plan", "recipes", "--sdk", "2.33.0", cwd=tmp_path)
    assert "trn4" in unchanged.stderr
    assert unchanged.returncode == 2
