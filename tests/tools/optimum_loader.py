"""The real optimum-neuron's loader on a release, with stand-ins for what it imports of the SDK; prints JSON.

Run by an interpreter that has optimum-neuron, transformers and torch: `python optimum_loader.py DOUBLES CLASS FOLDER`.
`DOUBLES` is the site-packages folder with the double of torch_neuronx. It says whether the loader takes our files, and
nothing about the SDK.
"""

import importlib.abc
import importlib.machinery
import json
import os
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


def main(doubles, class_name, folder):
    sys.meta_path.insert(0, Finder())
    sys.path.append(doubles)
    os.environ["NEURON_PLATFORM_TARGET_OVERRIDE"] = "trn1"
    import torch

    importlib.import_module("torch_neuronx").experimental = MagicMock()
    neuron = importlib.import_module("optimum.neuron")
    said = {"version": neuron.version.__version__}
    try:
        model = getattr(neuron, class_name).from_pretrained(folder)
        ids = torch.arange(5, 23).reshape(2, 9)
        outputs = model(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=torch.zeros_like(ids))
        said["outputs"] = {name: tensor.tolist() for name, tensor in outputs.items()}
    except Exception as error:  # noqa: BLE001 (whatever it refuses with is the answer)
        said["refused"] = f"{type(error).__name__}: {error}"
    print(json.dumps(said))


main(*sys.argv[1:])
