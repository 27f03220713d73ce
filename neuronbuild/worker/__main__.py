"""`<interpreter> <this folder> LIFELINE`: run the worker as a script, without the package around it being installed.

The folder is loaded as a package of its own, so that none of its modules' names can hide anybody else's.
"""

import importlib
import importlib.util
import pathlib
import sys

NAME = "neuronbuild_worker"


def main() -> None:
    """Load this folder as a package, and serve."""
    folder = pathlib.Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if entry != str(folder)]
    spec = importlib.util.spec_from_file_location(NAME, folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} can't be loaded as a package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)
    importlib.import_module(NAME + ".serve").main(int(sys.argv[1]))


if __name__ == "__main__":
    main()
