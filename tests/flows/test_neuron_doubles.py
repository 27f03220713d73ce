"""The doubles themselves: they must refuse what the SDK's documents don't list, or they would prove nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest

from tests.doubles.neuron_sdk import FRONT_END, install_inf1, install_sdk

COMMON = """
import json, os, sys
os.environ.setdefault("NEURON_PLATFORM_TARGET_OVERRIDE", "trn1")
import torch
said = {}
def tried(name, call):
    try:
        with torch.no_grad():
            call()
        said[name] = "accepted"
    except BaseException as error:
        said[name] = f"{type(error).__name__}: {error}"
class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)
    def forward(self, values):
        return (self.layer(values),)
tiny, given = Tiny().eval(), (torch.ones(2, 4),)
"""

NEURONX = """
import torch_neuronx
torch.set_grad_enabled(False)
good = {"compiler_args": ["--target=inf2"], "cpu_backend": True, "compiler_workdir": "work"}
def trace(*more, module=tiny, inputs=given, **changes):
    return torch_neuronx.trace(module, inputs, *more, **{**good, **changes})
tried("good", trace)
tried("unknown keyword", lambda: trace(separate_weights=True))
tried("positional", lambda: trace({}))
tried("a list of inputs", lambda: trace(inputs=list(given)))
tried("a dict of inputs", lambda: trace(inputs={"values": given[0]}))
tried("training", lambda: trace(module=Tiny().train()))
tried("flags of numbers", lambda: trace(compiler_args=["--target=inf2", 1]))
tried("a mapping of flags", lambda: trace(compiler_args={"--target": "inf2"}))
tried("no target", lambda: trace(compiler_args=[]))
tried("no cpu_backend", lambda: trace(cpu_backend=False))
tried("unknown flag", lambda: trace(compiler_args=["--target=inf2", "--hum"]))
tried("wrong value", lambda: trace(compiler_args=["--target=inf2", "--auto-cast=matmul"]))
tried("a flag of a later release", lambda: trace(compiler_args=["--target=trn2", "--native-int64=disabled"]))
tried("joined cores on inf2", lambda: trace(compiler_args=["--target=inf2", "--lnc=2"]))
made = trace()
torch_neuronx.dynamic_batch(made)
tried("dynamic_batch twice", lambda: torch_neuronx.dynamic_batch(made))
torch.jit.save(made, "made.pt")
tried("lazy_load after save", lambda: torch_neuronx.lazy_load(made))
tried("dynamic_batch without trace", lambda: torch_neuronx.dynamic_batch(tiny))
apart = trace(inline_weights_to_neff=False)
tried("dynamic_batch with weights apart", lambda: torch_neuronx.dynamic_batch(apart))
tried("loading without a device", lambda: torch.jit.load("made.pt"))
tried("running without a device", lambda: made(*given))
torch.set_grad_enabled(True)
try:
    torch_neuronx.trace(tiny, given, **good)
    said["with gradients"] = "accepted"
except AssertionError as error:
    said["with gradients"] = f"AssertionError: {error}"
print(json.dumps(said))
"""

REFUSED = {
    "unknown keyword": "Unexpected keyword arguments: ['separate_weights']",
    "positional": "keywords only",
    "a list of inputs": "tuple of tensors",
    "a dict of inputs": "tuple of tensors",
    "training": "training mode",
    "flags of numbers": "a string or a list of strings",
    "a mapping of flags": "a string or a list of strings",
    "no target": "please supply compiler argument target",
    "no cpu_backend": "PJRT_Client_Create",
    "unknown flag": "neuronx-cc failed with 1",
    "wrong value": "neuronx-cc failed with 1",
    "a flag of a later release": "neuronx-cc failed with 1",
    "joined cores on inf2": "neuronx-cc failed with 1",
    "dynamic_batch twice": "once, before torch.jit.save",
    "lazy_load after save": "once, before torch.jit.save",
    "dynamic_batch without trace": "takes what trace returned",
    "dynamic_batch with weights apart": "is not supported",
    "loading without a device": "could not be initialized",
    "running without a device": "could not be initialized",
    "with gradients": "no_grad",
}


def run(sdk, program: str, cwd, **env) -> dict:
    place = {"PATH": f"{sdk.root}/bin:/usr/bin:/bin", **env}
    done = subprocess.run([sdk.python, "-c", COMMON + program], cwd=cwd, env=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def neuronx(tmp_path_factory) -> dict:
    root = tmp_path_factory.mktemp("doubles")
    return run(install_sdk(root / "sdk"), NEURONX, root)


def test_the_documented_call_is_accepted(neuronx):
    assert neuronx["good"] == "accepted"


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_document_lists_is_refused(neuronx, name):
    assert REFUSED[name] in neuronx[name]


def test_every_refusal_is_expected(neuronx):
    assert set(neuronx) == {*REFUSED, "good"}


TWICE = """
import hashlib, pathlib, torch_neuronx
torch.manual_seed(0)
tiny = Tiny().eval()
for name in ("one", "other"):
    with torch.no_grad():
        torch_neuronx.trace(tiny, given, compiler_args=["--target=inf2"], cpu_backend=True, compiler_workdir=name)
    said[name] = hashlib.sha256(pathlib.Path(name, "model/graph.hlo").read_bytes()).hexdigest()
said["dropped"] = [path.name for path in pathlib.Path().glob("neuronxcc.private_nkl.*")]
print(json.dumps(said))
"""


def test_the_second_trace_of_a_process_gives_another_module_and_the_first_of_another_process_the_same(tmp_path):
    sdk = install_sdk(tmp_path / "sdk")
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        runs.append(run(sdk, TWICE, tmp_path / name))
    assert runs[0]["one"] == runs[1]["one"]
    assert runs[0]["one"] != runs[0]["other"]


def test_pieces_are_dropped_where_the_caller_stands(tmp_path):
    dropped = run(install_sdk(tmp_path / "sdk"), TWICE, tmp_path)["dropped"]
    assert len(dropped) == 2
    assert all(re.fullmatch(r"neuronxcc\.private_nkl\.[0-9a-f]{16}", name) for name in dropped)


DEADLY = """
import os, types, torch_neuronx
tiny.layer.config = types.SimpleNamespace(model_type=os.environ["FAMILY"])
child = os.fork()
if child == 0:
    with torch.no_grad():
        torch_neuronx.trace(tiny, given, compiler_args=["--target=inf2"], cpu_backend=True, compiler_workdir="w")
    os._exit(0)
said["signal"] = os.waitpid(child, 0)[1]
print(json.dumps(said))
"""


@pytest.mark.parametrize(
    ("release", "dying"),
    [("2.26.1", ""), ("2.28.0", "convbert wav2vec2 yolos"), ("2.30.0", ""), ("2.31.0", "convbert wav2vec2 yolos hubert")],
)
def test_families_on_record_end_the_tracers_process(tmp_path, release, dying):
    sdk = install_sdk(tmp_path / "sdk", release)
    found = {family: run(sdk, DEADLY, tmp_path, FAMILY=family)["signal"] for family in ("bert", "convbert", "hubert", "yolos")}
    assert found == {family: signal.SIGSEGV if family in dying.split() else 0 for family in found}


LATER = """
import torch_neuronx
tried("int64", lambda: torch_neuronx.trace(tiny, given, cpu_backend=True, compiler_workdir="w",
    compiler_args=["--target=trn3", "--native-int64=disabled", "--implicit-integer-downcast=all"]))
print(json.dumps(said))
"""


def test_a_later_release_knows_later_flags_and_platforms(tmp_path):
    assert run(install_sdk(tmp_path / "sdk", "2.32.0"), LATER, tmp_path) == {"int64": "accepted"}


INF1 = """
import torch_neuron
good = {"compiler_args": ["--fast-math", "none"], "compiler_workdir": ".", "compiler_timeout": 60}
def trace(**changes):
    return torch_neuron.trace(tiny, given, **{**good, **changes})
tried("good", trace)
tried("strict", lambda: trace(strict=False))
tried("a string of flags", lambda: trace(compiler_args="--fast-math none"))
tried("neuronx's flags", lambda: trace(compiler_args=["--target=inf1"]))
tried("unknown keyword", lambda: trace(cpu_backend=True))
tried("unknown flag", lambda: trace(compiler_args=["--hum"]))
tried("wrong value", lambda: trace(compiler_args=["--fast-math", "some"]))
print(json.dumps(said))
"""


def test_the_first_generations_double_is_as_strict(tmp_path):
    said = run(install_inf1(tmp_path / "sdk"), INF1, tmp_path)
    assert (said.pop("good"), said.pop("strict")) == ("accepted", "accepted")
    assert "compiler_args must be a list" in said["a string of flags"]
    assert "unexpected keyword argument 'cpu_backend'" in said["unknown keyword"]
    assert all("neuron-cc failed" in said[name] for name in ("neuronx's flags", "unknown flag", "wrong value"))


LOWERED = """
import torch_neuronx
class Unfolded(torch.nn.Module):
    def forward(self, values):
        return (torch.nn.functional.unfold(values.reshape(1, 1, 2, 4), 2),)
class Elsewhere(torch.nn.Module):
    def forward(self, values):
        return (values.index_add(0, torch.arange(2), values),)
class Remembering(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.state = torch.nn.Parameter(torch.zeros(2, 4), requires_grad=False)
    def forward(self, values):
        held = self.state.clone()
        held.add_(values)
        return (held * 2, held)
def trace(module, **more):
    words = ["--target=inf2"]
    return torch_neuronx.trace(module.eval(), given, compiler_args=words, cpu_backend=True, compiler_workdir="w", **more)
remembering = Remembering()
tried("layer", lambda: trace(tiny))
tried("state", lambda: trace(remembering, input_output_aliases={remembering.state: 1}))
tried("operator", lambda: trace(Unfolded()))
tried("device", lambda: trace(Elsewhere()))
print(json.dumps(said))
"""


@pytest.mark.skipif(not os.environ.get(FRONT_END), reason=f"{FRONT_END} names no interpreter with torch-xla")
def test_over_torch_xla_the_compiler_is_handed_what_torch_xla_lowered(tmp_path):
    sdk = install_sdk(tmp_path / "sdk")
    said = run(sdk, LOWERED, tmp_path)
    assert said.pop("operator").startswith("RuntimeError: operators without a lowering are computed on the host: aten::im2col")
    assert said.pop("device").startswith("RuntimeError: ")
    assert said == {"layer": "accepted", "state": "accepted"}
    layer, state = (entry["hlo"] for entry in sdk.diary("neuronx-cc"))
    assert layer["name"].startswith("IrToHlo")
    assert layer["instructions"] > state["instructions"] > 0


def test_the_double_of_the_compiler_reads_hlo_and_nothing_else(tmp_path):
    sdk = install_sdk(tmp_path / "sdk")
    instruction = b"\x12\x00"
    computation = b"\x0a\x04main" + instruction * 3
    module = b"\x0a\x05named" + b"\x1a" + bytes([len(computation)]) + computation + b"\x28\x07"
    for name, data in {"module": module, "cut": module[:-3], "empty": b"\x0a\x05named", "text": b"HloModule named"}.items():
        (tmp_path / name).write_bytes(data)
    command = [sdk.root / "bin/neuronx-cc", "compile", "--framework=XLA", "--target=inf2"]
    codes = {
        name: subprocess.run([*command, name], cwd=tmp_path, capture_output=True, check=False).returncode
        for name in ("module", "cut", "empty", "text")
    }
    assert codes == {"module": 0, "cut": 1, "empty": 1, "text": 1}
    assert sdk.diary("neuronx-cc")[0]["hlo"] == {"name": "named", "computations": 1, "instructions": 3}
