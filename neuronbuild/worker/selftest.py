"""What this toolchain takes for granted of the Neuron SDK, tried one by one on a graph of a few weights.

Each entry says which contract, what is assumed, and what came of it: `confirmed`, `refuted`, or `unknown` where it can't
be told here (no device).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import typing
import warnings
import zipfile

import torch

from .contract import Finding, SelftestJob, SelftestResult

VERSION = re.compile(r"^(NeuronX Compiler version \d+\.\d+\.\d+\.\d+)(\+[0-9a-f]+)?$")
PATIENCE = 1800

T = typing.TypeVar("T")


class Tiny(torch.nn.Module):
    """A linear layer: enough for every call."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(8, 4)

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor]:
        """(rows, 8) to (rows, 4)."""
        return (torch.relu(self.layer(values)),)


class Counter(torch.nn.Module):
    """A state that every call adds to."""

    def __init__(self) -> None:
        super().__init__()
        self.state = torch.nn.Parameter(torch.zeros(2, 8, device="cpu"), requires_grad=False)

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The sum before, and the sum after, which the state becomes."""
        after = self.state + values
        return self.state * 1.0, after


class Notes(list[Finding]):
    """Entries, in the order in which they were tried."""

    def say(self, contract: str, assumed: str, found: object) -> None:
        """Note what came of one; `None` is unknown, text is a refutation, `True` or `False` as they say."""
        states: dict[object, str] = {True: "confirmed", False: "refuted", None: "unknown"}
        state = states.get(found, "refuted")
        self.append(
            {"contract": contract, "assumed": assumed, "state": state, "detail": found if isinstance(found, str) else ""}
        )

    def attempt(self, contract: str, assumed: str, call: typing.Callable[[], T]) -> T | None:
        """Make a call that must not fail, and give its result."""
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 (whatever went wrong is the finding)
            self.say(contract, assumed, f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}")
            return None
        self.say(contract, assumed, True)
        return result


def run(job: SelftestJob) -> SelftestResult:
    """Try all of one toolchain's assumptions for one platform."""
    notes = Notes()
    work = os.path.join(job["folder"], "work")
    os.makedirs(work)
    os.chdir(work)
    device = bool(os.environ.get("NEURONBUILD_DEVICE"))
    groups: dict[str, typing.Callable[[], None]] = {
        "K1": lambda: _probe(notes),
        "K2": lambda: _trace(notes, job, device=device),
        "K3": lambda: _companions(notes, job),
        "K2, states": lambda: _states(notes, job, device=device),
        "K5": lambda: _compiler(notes, job),
    }
    if job["action"]["toolchain"]["name"] == "neuron":
        groups = {"K9": lambda: _first_generation(notes, job, device=device)}
    for contract, group in groups.items():
        try:
            with torch.no_grad():
                group()
        except Exception as error:  # noqa: BLE001 (the other groups are tried all the same)
            notes.say(contract.partition(",")[0], "all of it can be tried", f"{type(error).__name__}: {error}".splitlines()[0])
    return {"findings": list(notes)}


def _probe(notes: Notes) -> None:
    import neuronxcc

    path = shutil.which("neuronx-cc")
    notes.say("K1", "neuronx-cc is on PATH beside its interpreter", path is not None)
    done = subprocess.run([path or "neuronx-cc", "--version"], capture_output=True, text=True, check=False, timeout=PATIENCE)
    first = (done.stdout.splitlines() or [""])[0]
    found = VERSION.match(first)
    notes.say("K1", "its first line names its version", bool(found) or first)
    notes.say("K1", "the version has a build after a plus", bool(found and found.group(2)))
    notes.say(
        "K1",
        "the package's version is the command's",
        first.endswith(" " + str(neuronxcc.__version__)) or neuronxcc.__version__,
    )


def _traced(module: torch.nn.Module, job: SelftestJob, name: str, **more: object) -> torch.jit.ScriptModule:
    import torch_neuronx

    given = (torch.ones(2, 8, device="cpu"),)
    return torch_neuronx.trace(
        module.eval(),
        given,
        compiler_workdir=os.path.join(os.getcwd(), name),
        compiler_args=list(job["arguments"]),
        cpu_backend=True,
        **{"input_output_aliases": {}, "inline_weights_to_neff": True, **more},
    )


def _trace(notes: Notes, job: SelftestJob, *, device: bool) -> None:
    made = notes.attempt("K2", "trace takes our keywords, with no device needed", lambda: _traced(Tiny(), job, "plain"))
    if made is None:
        return
    notes.say("K2", "it returns a ScriptModule", isinstance(made, torch.jit.ScriptModule))
    nodes = [node.kind() for node in made.inlined_graph.nodes()]
    notes.say(
        "K2", "its graph has a neuron::forward", any(kind.startswith("neuron::forward") for kind in nodes) or str(nodes[:5])
    )
    notes.say(
        "K2", "graph.neff and log-neuron-cc.txt lie in the work folder", _lies("plain", "graph.neff", "log-neuron-cc.txt")
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            _traced(Tiny(), job, "unknown", no_such_keyword=1)
            notes.say("K2", "an unknown keyword is told of", any("no_such_keyword" in str(each.message) for each in told))
        except Exception:  # noqa: BLE001
            notes.say("K2", "an unknown keyword is told of", True)
    notes.attempt("K4", "torch.jit.save writes it", lambda: torch.jit.save(made, os.path.join(job["folder"], "model.neuron")))
    with zipfile.ZipFile(os.path.join(job["folder"], "model.neuron")) as archive:
        roots = {name.partition("/")[0] for name in archive.namelist()}
    notes.say("K4", "one archive, whose root is named after the file", roots == {"model"} or str(sorted(roots)))
    _on_device(notes, job, Tiny(), device=device)


def _lies(folder: str, *names: str) -> bool | str:
    found = {name for _, _, files in os.walk(folder) for name in files}
    return set(names) <= found or "there is " + ", ".join(sorted(found))


def _on_device(notes: Notes, job: SelftestJob, module: torch.nn.Module, *, device: bool) -> None:
    said = "a loaded model runs, and gives what eager PyTorch gives"
    if not device:
        notes.say("K2", said, None)
        return
    loaded = notes.attempt(
        "K2", "torch.jit.load puts it on a core", lambda: torch.jit.load(os.path.join(job["folder"], "model.neuron"))
    )
    if loaded is not None:
        values = torch.arange(16.0, device="cpu").reshape(2, 8) / 16
        notes.say("K2", said, bool(torch.allclose(_first(loaded(values)), module(values)[0], atol=2e-2)))


def _first(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    return outputs[0] if isinstance(outputs, (tuple, list)) else outputs


def _companions(notes: Notes, job: SelftestJob) -> None:
    import torch_neuronx

    for name in ("dynamic_batch", "lazy_load", "async_load"):
        made = _traced(Tiny(), job, name)
        same = notes.attempt("K3", name + " takes what trace returned", lambda: getattr(torch_neuronx, name)(made))  # noqa: B023
        notes.say("K3", name + " returns the same object", same is made)
    notes.attempt(
        "K2", "weights can be left out of the NEFF", lambda: _traced(Tiny(), job, "apart", inline_weights_to_neff=False)
    )
    wanted = ("replace_weights", "move_trace_to_device", "set_neuron_cores")
    lacking = [name for name in wanted if not hasattr(torch_neuronx, name)]
    notes.say("K2", "replace_weights, move_trace_to_device and set_neuron_cores are there", not lacking or str(lacking))


def _states(notes: Notes, job: SelftestJob, *, device: bool) -> None:
    module = Counter()
    said = "a parameter named in input_output_aliases is a state"
    made = notes.attempt("K2", said, lambda: _traced(module, job, "states", input_output_aliases={module.state: 1}))
    if not device or made is None:
        notes.say("K2", "states are the loaded model's parameters, are copied in and out, and are no outputs", None)
        return
    path = os.path.join(job["folder"], "counter.neuron")
    torch.jit.save(made, path)
    loaded = torch.jit.load(path)
    states = list(loaded.parameters())
    loaded(torch.ones(2, 8, device="cpu"))
    outputs = loaded(torch.ones(2, 8, device="cpu"))
    alone = not isinstance(outputs, (tuple, list)) or len(outputs) == 1
    kept = len(states) == 1 and bool((states[0].cpu() == 2).all()) and bool((_first(outputs) == 1).all())
    notes.say("K2", "states are the loaded model's parameters, are copied in and out, and are no outputs", alone and kept)


def _compiler(notes: Notes, job: SelftestJob) -> None:
    graphs = [
        os.path.join(place, name) for place, _, names in os.walk("plain") for name in names if name.endswith((".hlo", ".pb"))
    ]
    if not graphs:
        notes.say("K5", "trace leaves an HLO file that neuronx-cc takes", False)
        return
    flags = [*job["arguments"], "--output", "alone.neff", "--logfile", "alone.txt", "--verbose", "35"]
    command = ["neuronx-cc", "compile", min(graphs), "--framework", "XLA"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False, timeout=PATIENCE)
    notes.say("K5", "neuronx-cc compiles the HLO file that trace leaves", done.returncode == 0 or f"status {done.returncode}")
    notes.say("K5", "it writes the file and the log that it was told to", _lies(".", "alone.neff", "alone.txt"))
    strange = subprocess.run([*command, "--no-such-flag"], capture_output=True, text=True, check=False, timeout=PATIENCE)
    notes.say("K5", "a flag that it doesn't know is an error", strange.returncode != 0)


def _first_generation(notes: Notes, job: SelftestJob, *, device: bool) -> None:
    import torch_neuron

    def trace() -> torch.jit.ScriptModule:
        return torch_neuron.trace(
            Tiny().eval(),
            (torch.ones(2, 8, device="cpu"),),
            compiler_args=list(job["arguments"]),
            compiler_timeout=PATIENCE,
            compiler_workdir=os.getcwd(),
            dynamic_batch_size=False,
            fallback=True,
            minimum_segment_size=1,
            separate_weights=False,
        )

    notes.say("K1", "neuron-cc is on PATH beside its interpreter", shutil.which("neuron-cc") is not None)
    made = notes.attempt("K9", "trace takes our keywords, with no device needed", trace)
    if made is None:
        return
    kinds = [node.kind() for node in made.inlined_graph.nodes()]
    notes.say(
        "K9", "its graph has a neuron::forward", any(kind.startswith("neuron::forward") for kind in kinds) or str(kinds[:5])
    )
    notes.attempt("K4", "torch.jit.save writes it", lambda: torch.jit.save(made, os.path.join(job["folder"], "model.neuron")))
    _on_device(notes, job, Tiny(), device=device)
