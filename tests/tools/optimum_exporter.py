"""The real exporter of optimum-neuron over stand-ins for the SDK: its registries, its parser and its `main()`; prints JSON.

Run by an interpreter that has optimum-neuron, transformers, torch and diffusers: `python optimum_exporter.py FOLDER`, with a
list of `{"name", "model", "argv"}` as JSON on standard input. What it would compile is noted instead: the way, the arguments
of the compiler, how many cores, the dtype of the weights. It says how 0.4.5 takes our argument lists, and nothing about the
SDK: a tracer's own deaths (`_share_filename_`) can't be seen here.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import io
import json
import os
import pathlib
import shutil
import sys
import types
from unittest.mock import MagicMock

STAND_INS = ("torch_neuronx", "neuronx_distributed", "torch_xla", "libneuronxla", "nki", "neuronxcc")
VERSIONS = {"torch_neuronx": "2.8.0.2.10.16998", "neuronx_distributed": "0.15.22404", "neuronxcc": "2.21.33363.0+82129205"}
NOTED = []


class LoadedError(Exception):
    """A model has been loaded, and nothing more is wanted of it."""


class StandIn(types.ModuleType):
    """A module that has whatever is asked of it: words by names in capitals, classes by names with one, else anything."""

    __path__ = ()

    def __init__(self, name):
        super().__init__(name)
        self.__version__ = VERSIONS.get(name, "1.0")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        plain = type(name, (), {"__init__": lambda *_, **__: None})
        made = name if name.isupper() else plain if name[:1].isupper() else MagicMock()
        setattr(self, name, made)
        return made


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds stand-ins before anything else."""

    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in STAND_INS else None

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, module):
        """Nothing to run."""


def stand_in():
    """Put stand-ins in the SDK's place, with notes where something would be compiled."""
    sys.meta_path.insert(0, Finder())
    real = importlib.metadata.version
    importlib.metadata.version = lambda name: VERSIONS.get(name) or real(name)
    import torch

    class Nothing(torch.nn.Module):
        def forward(self, given):
            return given

    def graph():
        return torch.jit.script(Nothing())

    class Builder:
        """For NxD's: what it is given is noted, and what it makes is nothing."""

        def __init__(self, tp_degree, **_):
            self.cores = tp_degree

        def add(self, key, compiler_args, **_):
            NOTED.append({"way": "builder", "part": key, "arguments": compiler_args, "cores": self.cores})

        def trace(self, **_):
            return graph()

        def shard_checkpoint(self, serialize_path=None):
            folder = pathlib.Path(serialize_path)
            folder.mkdir(parents=True, exist_ok=True)
            for rank in range(self.cores):
                (folder / f"tp{rank}_sharded_checkpoint.safetensors").touch()

    def trace(model, _inputs, compiler_args=None, inline_weights_to_neff=True, **_):
        dtype = next((str(each.dtype) for each in model.parameters() if each.is_floating_point()), None)
        NOTED.append({"way": "trace", "arguments": compiler_args, "inline": inline_weights_to_neff, "dtype": dtype})
        return graph()

    def parallel_model_trace(function, _inputs, compiler_args=None, tp_degree=1, **_):
        NOTED.append({"way": "parallel", "arguments": compiler_args, "cores": tp_degree})
        with contextlib.suppress(LoadedError):
            function()

    framework, distributed = (importlib.import_module(name) for name in ("torch_neuronx", "neuronx_distributed.trace"))
    framework.trace = trace
    for name in ("dynamic_batch", "async_load", "lazy_load"):
        setattr(framework, name, lambda made, _name=name: NOTED.append({"way": _name}) or made)
    distributed.parallel_model_trace = parallel_model_trace
    distributed.parallel_model_save = lambda _made, path: pathlib.Path(path).mkdir(parents=True)
    importlib.import_module("neuronx_distributed").trace = distributed
    importlib.import_module("neuronx_distributed.trace.model_builder").ModelBuilder = Builder


def note_what_is_spread(model):
    """In the place of what shards a T5: the dtype that it was loaded in, and no further."""
    NOTED.append({"way": "loaded", "dtype": str(model.dtype)})
    raise LoadedError


def registry():
    """What the exporter has: decoders by model type and task, and by library the configs of traced models with their tasks."""
    tasks = importlib.import_module("optimum.exporters.tasks").TasksManager
    importlib.import_module("optimum.exporters.neuron.model_configs")
    auto = importlib.import_module("optimum.neuron.models.auto_model")
    importlib.import_module("optimum.neuron.models.inference.auto_models")
    known = auto._REGISTERED_NEURON_MODELS
    traced = {
        kind: sorted(exporters["neuron"]) for kind, exporters in tasks._SUPPORTED_MODEL_TYPE.items() if "neuron" in exporters
    }
    decoders = sorted([kind, task] for kind, task, mode in known if mode == "inference")
    return {"decoders": decoders, "traced": traced}


def run(case, folder, module):
    """One call of `main()`, as `python -m` would make it in the worker's folder."""
    NOTED.clear()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(case["model"], folder / "model")
    os.chdir(folder)
    sys.argv = [module.__file__, *case["argv"]]
    said, words = {}, io.StringIO()
    try:
        with contextlib.redirect_stderr(words):
            module.main()
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it stops with is the answer)
        said["refused"] = f"{type(error).__name__}: {error} {words.getvalue()[-300:] if isinstance(error, SystemExit) else ''}"
    config = folder / "exported/neuron_config.json"
    said["decoder"] = json.loads(config.read_text()) if config.is_file() else None
    blocks = {file.parent.name: json.loads(file.read_text()).get("neuron") for file in folder.glob("exported/*/config.json")}
    files = sorted(path.relative_to(folder / "exported").as_posix() for path in folder.glob("exported/**/*") if path.is_file())
    return {**said, "blocks": blocks, "files": files, "noted": list(NOTED)}


def main(folder):
    cases = json.load(sys.stdin)
    os.environ |= {"NEURON_PLATFORM_TARGET_OVERRIDE": "trn1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    stand_in()
    version = importlib.import_module("optimum.neuron.version").__version__
    module = importlib.import_module("optimum.exporters.neuron.__main__")
    importlib.import_module("optimum.neuron.models.inference.t5.modeling_t5").parallelize = note_what_is_spread
    backend = importlib.import_module("optimum.neuron.models.inference.backend.pretrained_model")
    backend.hub_neuronx_cache = lambda entry: contextlib.nullcontext()
    with contextlib.redirect_stdout(sys.stderr):
        said = {each["name"]: run(each, pathlib.Path(folder) / each["name"], module) for each in cases}
        known = registry()
    print(json.dumps({"version": version, **known, "cases": said}))


main(*sys.argv[1:])
