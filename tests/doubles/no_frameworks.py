"""Import every module of the worker where no framework is installed: names of frameworks are stand-ins that do nothing.

Run as `<interpreter> no_frameworks.py FOLDER`. It shows whether an older Python evaluates what modules evaluate when they are
imported: base classes, decorators, aliases of types.
"""

import importlib
import importlib.util
import pathlib
import sys
import types

FRAMEWORKS = {"torch", "transformers", "safetensors", "torch_neuronx", "torch_neuron", "torch_xla"}


class Nested(type):
    """Gives a class for every name that is looked up in a stand-in's class."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn


class StandIn(metaclass=Nested):
    """Takes any arguments, does nothing."""

    def __init__(self, *_, **__):
        pass

    def __call__(self, *_, **__):
        return None


class Framework(types.ModuleType):
    """A module that has a class of every name."""

    __path__ = ()
    __version__ = "4.57.1"
    __file__ = __file__

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (StandIn,), {})


class Finder:
    """Finds every module of the frameworks."""

    def find_spec(self, name, *_):
        return importlib.util.spec_from_loader(name, self) if name.partition(".")[0] in FRAMEWORKS else None

    def create_module(self, spec):
        return Framework(spec.name)

    def exec_module(self, _):
        pass


def main(folder):
    """Load a folder as a package, and import its modules one by one."""
    sys.meta_path.insert(0, Finder())
    spec = importlib.util.spec_from_file_location("worker", folder / "__init__.py", submodule_search_locations=[str(folder)])
    sys.modules["worker"] = importlib.util.module_from_spec(spec)
    names = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("__"))
    for name in names:
        importlib.import_module("worker." + name)
    sys.stdout.write(" ".join(names))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
