"""What must start fast imports nothing heavy: looked at in a process of its own, by what it really loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT, run_cli, write_recipe

HEAVY = {"torch", "transformers", "boto3", "botocore", "numpy", "safetensors", "cryptography"}


def loaded_after(code: str, cwd) -> set[str]:
    program = f"{code}\nimport sys, json; print(json.dumps(sorted({{n.partition('.')[0] for n in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=cwd, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["neuronbuild", "neuronbuild.api", "neuronbuild.cli", "neuronbuild.store.location"])
def test_importing_a_room_loads_nothing_heavy(module):
    assert not loaded_after(f"import {module}", ROOT) & HEAVY


def test_records_need_no_library_at_all():
    heavier = {"pydantic", "yaml", "click", "rich", "filelock", "huggingface_hub"}
    assert not loaded_after("import neuronbuild.artifact.manifest, neuronbuild.tasks", ROOT) & (HEAVY | heavier)


def test_running_plan_loads_nothing_heavy(tmp_path, models):
    recipe = write_recipe(tmp_path / "r.yaml", model=str(models["fill-mask"]), shapes={"batch_size": 1, "sequence_length": 8})
    code = f"import sys; sys.argv = ['neuronbuild', 'plan', {str(recipe)!r}]\nfrom neuronbuild.cli import main\n"
    code += "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code == 0, stop.code\n"
    assert not loaded_after(code, tmp_path) & (HEAVY | {"huggingface_hub", "rich"})


def test_loading_a_release_imports_no_building_room(built):
    folder = built.releases["fill-mask"]
    code = (
        "from neuronbuild.runtime.runner import Runner\nfrom neuronbuild.runtime.reader import read_release\n"
        f"from pathlib import Path\nRunner(read_release(Path({str(folder)!r}))).warm()\n"
    )
    code += "import sys\nassert 'torch._inductor' not in sys.modules and 'torch._dynamo' not in sys.modules\n"
    rooms = ("recipe", "source", "store", "plan", "toolchain", "build", "release", "api", "cli")
    code += f"assert not [r for r in {rooms!r} if 'neuronbuild.' + r in sys.modules]\n"
    assert not loaded_after(code, ROOT) & {"yaml", "click", "rich", "boto3", "huggingface_hub", "transformers"}


@pytest.mark.parametrize("name", ["NeuronSentenceTransformers", "NeuronModelForMaskedLM"])
def test_a_class_that_generates_nothing_imports_no_generation(name):
    generating = ["neuronbuild.models.generation", "transformers.generation.utils", "transformers.models.whisper"]
    code = f"from neuronbuild import {name}\nimport sys\nassert not [name for name in {generating!r} if name in sys.modules]"
    assert "neuronbuild" in loaded_after(code, ROOT)


def test_help_needs_no_models(tmp_path):
    assert "recipes" in run_cli("--help", cwd=tmp_path).stdout
