"""The real optimum-neuron's loader on releases, with stand-ins for what it imports of the SDK; prints JSON.

Run by an interpreter that has optimum-neuron, transformers and torch: `python optimum_loader.py DOUBLES JOBS`. `DOUBLES` is the
site-packages folder with the double of torch_neuronx, `JOBS` a JSON file: a list of classes, folders and inputs. It says
whether the loader takes our files and gives the right answers, and nothing about the SDK.
"""

import importlib.abc
import importlib.machinery
import json
import os
import pathlib
import sys
import types
from unittest.mock import MagicMock

STAND_INS = ("neuronx_distributed", "torch_xla", "libneuronxla", "nki", "neuronxcc", "peft")
VERSION = "2.26.6360.0+82129205"


class StandIn(types.ModuleType):
    """A module that has whatever is asked of it: classes by names with a capital, else anything."""

    __path__ = ()
    __version__ = VERSION

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {"__init__": lambda *_, **__: None}) if name[:1].isupper() else MagicMock()
        setattr(self, name, made)
        return made


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds stand-ins before anything else."""

    def find_spec(self, name, path, target=None):
        wanted = name.partition(".")[0] in STAND_INS or name.startswith("torch_neuronx.")
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if wanted else None

    def create_module(self, spec):
        return StandIn(spec.name)

    def exec_module(self, module):
        """Nothing to run."""


def flat(outputs):
    """Outputs as lists by name; those of a part of the model by its name, a dot and their own."""
    found = {}
    for name, value in outputs.items():
        if isinstance(value, dict):
            found.update({f"{name}.{own}": each for own, each in flat(value).items()})
        else:
            found[name] = value.tolist()
    return found


def run(neuron, torch, job):
    """What one release answers, or what the loader has against it."""
    try:
        model = getattr(neuron, job["class"]).from_pretrained(job["folder"])
    except Exception as error:  # noqa: BLE001 (whatever it refuses with is the answer)
        return {"refused": f"{type(error).__name__}: {error}"}
    try:
        return {"outputs": flat(model(**{name: torch.tensor(value) for name, value in job["inputs"].items()}))}
    except Exception as error:  # noqa: BLE001 (as above)
        return {"failed": f"{type(error).__name__}: {error}"}


def registered(manager, tasks):
    """The model types that its registry has for each task."""
    return {task: sorted(manager.get_supported_model_type_for_task(task, "neuron")) for task in tasks}


def main(doubles, jobs):
    sys.meta_path.insert(0, Finder())
    sys.path.append(doubles)
    os.environ["NEURON_PLATFORM_TARGET_OVERRIDE"] = "trn1"
    import torch

    importlib.import_module("torch_neuronx").experimental = MagicMock()
    neuron = importlib.import_module("optimum.neuron")
    importlib.import_module("optimum.exporters.neuron.model_configs")
    manager = importlib.import_module("optimum.exporters.tasks").TasksManager
    asked = json.loads(pathlib.Path(jobs).read_text())
    answers = [run(neuron, torch, job) for job in asked["jobs"]]
    said = {"version": neuron.version.__version__, "answers": answers, "registered": registered(manager, asked["tasks"])}
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
