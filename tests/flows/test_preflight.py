"""`neuronbuild preflight`, with a stand-in for the interpreter.

Where `FRONT_END_PYTHON` names a real one, torch-xla itself is tried as well, and finds graphs that are wrong on purpose.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.conftest import ROOT, TEXT, run_cli, write_recipe
from tests.doubles.front_end import FakeFrontEnd
from tests.doubles.neuron_sdk import FRONT_END
from tests.doubles.toolchain import is_gone, wait_until
from tests.flows.processes import PATIENCE, descendants, start

REAL = os.environ.get(FRONT_END)
needs_torch_xla = pytest.mark.skipif(not REAL, reason=f"{FRONT_END} names no interpreter with torch-xla")


class Workspace:
    """A folder with a recipe for a model of two shapes, and an interpreter that is none."""

    def __init__(self, root, models) -> None:
        self.root = root
        self.front_end = FakeFrontEnd(root.parent / "front-end")
        self.use(self.front_end.python)
        shapes = {**TEXT, "sequence_length": [16, 32]}
        write_recipe(root / "r.yaml", model=str(models["fill-mask"]), task="fill-mask", platforms=["inf2"], shapes=shapes)

    def use(self, python) -> None:
        said = {"sdk": "2.31.0", **({"toolchains": {"frontend": {"python": str(python)}}} if python else {})}
        (self.root / "neuronbuild.yaml").write_text(json.dumps(said))

    def preflight(self, *words: str, recipe: str = "r.yaml"):
        return self.run("preflight", recipe, *words)

    def run(self, *words: str):
        return run_cli(*words, cwd=self.root, env={"XDG_CACHE_HOME": str(self.root.parent / "cache")})


@pytest.fixture
def workspace(tmp_path, models):
    (tmp_path / "work").mkdir()
    return Workspace(tmp_path / "work", models)


def test_every_target_is_lowered_once_each_in_a_process_of_its_own(workspace):
    done = workspace.preflight()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("1,000 parameters") == 2
    assert done.stdout.endswith("Preflight: 2 targets lowered, 0 with something wrong.\n")
    assert len({entry["process"] for entry in workspace.front_end.diary}) == 2
    assert workspace.preflight().stdout == done.stdout
    assert len(workspace.front_end.diary) == 2


def test_what_stops_a_graph_is_told_and_counts(workspace):
    workspace.front_end.say(error="it doesn't lower: no lowering of aten::hum, in model.bert (modeling_bert.py:12)")
    done = workspace.preflight()
    assert done.returncode == 1
    assert "x r forward on inf2" in done.stdout
    assert "    it doesn't lower: no lowering of aten::hum, in model.bert (modeling_bert.py:12)\n" in done.stdout
    assert done.stdout.endswith("2 with something wrong.\n")


def test_programs_get_all_of_it(workspace):
    workspace.front_end.say(fallen=[{"operator": "aten::im2col", "module": "model"}])
    done = workspace.preflight("--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    first = said["targets"][0]
    assert (first["graph"], first["platform"], first["shape"]) == ("forward", "inf2", {"batch_size": 2, "sequence_length": 16})
    assert first["lowering"]["problems"] == ["operator aten::im2col has no lowering, in model"]
    assert first["lowering"]["operators"] == {"dot": 18, "add": 39}


def test_modules_are_kept_by_the_keys_of_their_targets(workspace):
    workspace.preflight()
    done = workspace.preflight("--hlo", "hlo", "--json")
    keys = {target["key"] for target in json.loads(done.stdout)["targets"]}
    found = {path.relative_to(workspace.root / "hlo").as_posix() for path in (workspace.root / "hlo").rglob("*.*")}
    assert found == {f"{key}/{name}" for key in keys for name in ("graph.hlo", "graph.hlo.txt")}


def test_a_plan_says_what_preflight_found(workspace):
    before = workspace.run("plan", "r.yaml")
    assert "reflight" not in before.stdout
    workspace.preflight()
    lines = workspace.run("plan", "r.yaml").stdout.splitlines()
    assert [line.endswith("; it lowers") for line in lines[1:3]] == [True, True]
    assert lines[3] == "Preflight has looked at 2 targets of these and found something wrong with 0."


def test_a_plan_names_what_preflight_found_wrong_with_a_target(workspace):
    workspace.front_end.say(error="it doesn't lower: no lowering of aten::hum, in model.bert (modeling_bert.py:12)")
    workspace.preflight()
    done = workspace.run("plan", "r.yaml")
    assert done.returncode == 0
    assert (
        done.stdout.count("; preflight: it doesn't lower: no lowering of aten::hum, in model.bert (modeling_bert.py:12)\n") == 2
    )
    assert "found something wrong with 2." in done.stdout
    said = json.loads(workspace.run("plan", "r.yaml", "--json").stdout)["steps"][0]["preflight"]
    assert said["problems"] == ["it doesn't lower: no lowering of aten::hum, in model.bert (modeling_bert.py:12)"]


def test_what_other_toolchains_compile_isnt_lowered(workspace, models):
    write_recipe(workspace.root / "cpu.yaml", model=str(models["fill-mask"]), task="fill-mask", platforms=["cpu"], shapes=TEXT)
    done = workspace.preflight(recipe="cpu.yaml")
    assert (done.returncode, workspace.front_end.diary) == (0, [])
    assert "not lowered here; inductor compiles it" in done.stdout


def test_one_that_runs_out_of_memory_is_told_and_the_rest_goes_on(workspace):
    workspace.front_end.say(kill=True)
    done = workspace.preflight()
    assert done.returncode == 1
    assert done.stdout.count("killed, most likely for want of memory") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_what_is_being_lowered(workspace, monkeypatch, number):
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace.root.parent / "cache"))
    workspace.front_end.say(hang=True)
    stopped = start("preflight", "r.yaml", cwd=workspace.root)
    wait_until(lambda: workspace.front_end.diary, seconds=PATIENCE)
    below = descendants(stopped.pid)
    stopped.send_signal(number)
    out, _ = stopped.communicate(timeout=PATIENCE)
    assert (stopped.returncode, out) == (130, "")
    assert "Traceback" not in (workspace.root / "stderr").read_text()
    assert below
    wait_until(lambda: all(map(is_gone, below)), seconds=PATIENCE)


def test_without_an_environment_the_way_to_one_is_told(workspace):
    workspace.use(None)
    done = workspace.preflight()
    assert done.returncode == 5
    assert "there is no environment with torch-xla" in done.stderr
    assert "neuronbuild preflight --setup" in done.stderr


def test_where_no_recipe_can_be_used_only_that_is_told(workspace):
    done = workspace.preflight(recipe="nowhere.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere.yaml:1:1: no such file or folder" in done.stderr


def test_setup_leaves_an_environment_alone_that_the_workspace_names(workspace):
    done = workspace.preflight("--setup")
    assert done.returncode == 5
    assert "names an interpreter for it already" in done.stderr


@needs_torch_xla
def test_torch_xla_itself_lowers_a_model_and_its_graph_answers_as_eager_pytorch(workspace):
    workspace.use(REAL)
    done = workspace.preflight("--json", "--hlo", "hlo")
    assert done.returncode == 0, done.stdout + done.stderr
    for target in json.loads(done.stdout)["targets"]:
        said = target["lowering"]
        assert said["problems"] == []
        assert 0 <= said["difference"] < 1e-5
        assert said["operators"]["dot"] > 0
        assert (workspace.root / f"hlo/{target['key']}/graph.hlo.txt").read_text().startswith("HloModule")


FAULTS = """
import importlib.util, json, pathlib, sys
folder = pathlib.Path({folder!r})
spec = importlib.util.spec_from_file_location("worker", folder / "__init__.py", submodule_search_locations=[str(folder)])
package = importlib.util.module_from_spec(spec); sys.modules["worker"] = package; spec.loader.exec_module(package)
from worker import forms, lowering, masks
import torch
{change}
try:
    said = lowering.lower({{"action": json.load(sys.stdin), "folder": "."}})
    said["baked"] = sorted({{each["from"] for each in said["baked"]}})
    print(json.dumps({{key: said[key] for key in ("baked", "fallen", "same")}}))
except Exception as error:
    print(json.dumps({{"error": str(error)}}))
"""


def put_back(name: str, change: str, tmp_path) -> dict:
    """What torch-xla makes of a graph with a fault in the worker."""
    from tests.tools.neuron_graphs import cases

    program = FAULTS.format(folder=str(ROOT / "neuronbuild/worker"), change=change)
    document = json.dumps(dict(cases())[name])
    environment = {**os.environ, "PJRT_DEVICE": "CPU", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [REAL, "-c", program], input=document, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    return json.loads(done.stdout.splitlines()[-1])


@needs_torch_xla
def test_an_operator_that_falls_out_leaves_an_examples_values_and_is_found(tmp_path):
    said = put_back("fill-mask convbert forward", "forms.FORMS.clear()", tmp_path)
    assert "aten::im2col" in {each["operator"] for each in said["fallen"]}
    assert all("encoder.layer" in each["module"] for each in said["fallen"])
    assert "example" in said["baked"]


@needs_torch_xla
def test_weights_that_are_computed_on_the_host_are_found(tmp_path):
    said = put_back("audio-classification wav2vec2 forward", "forms.FORMS.clear()", tmp_path)
    assert said["baked"] == ["weights"]


@needs_torch_xla
def test_a_tensor_on_the_wrong_device_is_told_with_its_place(tmp_path):
    change = """
from worker import caches
def update(self, keys, values, *_, **__):
    self.keys.index_copy_(2, torch.arange(keys.shape[2]), keys)
    return self.keys, self.values
caches.SlotLayer.update = update
"""
    said = put_back("text-generation llama decode", change, tmp_path)
    assert said["error"].startswith("it doesn't lower: ")


@needs_torch_xla
def test_a_constant_that_an_example_decides_is_found(tmp_path):
    change = """
added = masks._added
masks._added = lambda allowed, dtype: added(allowed.cpu().to(allowed.device), dtype)
"""
    said = put_back("text-generation llama decode", change, tmp_path)
    assert "example" in said["baked"]


@needs_torch_xla
def test_a_number_that_is_read_from_an_example_is_found(tmp_path):
    change = """
from worker import graph
run = graph.Graph.run
graph.Graph.run = lambda self, given: {
    name: each * (0.5 + given["attention_mask"].float().mean().item()) for name, each in run(self, given).items()
}
"""
    said = put_back("fill-mask bert forward", change, tmp_path)
    assert said["baked"] == ["example"]
    assert [each["operator"] for each in said["fallen"]] == ["aten::_local_scalar_dense"]
