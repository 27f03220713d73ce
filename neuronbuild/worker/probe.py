"""`<interpreter> probe.py`: what an interpreter has of the Neuron SDK, as one line of JSON. Imports nothing of the SDK's.

Imports of the frameworks themselves would take seconds, and look for a device.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys

PACKAGES = (
    "neuronx-cc", "torch-neuronx", "libneuronxla", "torch-xla", "neuronx-distributed", "neuronx-distributed-inference",
    "torch-neuron", "neuron-cc", "optimum-neuron", "torch", "transformers", "safetensors", "diffusers",
    "peft",
)  # fmt: skip
COMPILERS = ("neuronx-cc", "neuron-cc")
PATIENCE = 120

FRAMEWORK = "torch-neuronx"
BACKENDS = (("torch_dynamo_backends", "neuron"), ("torch.backends", "torch_neuronx:_autoload"))
"""Group and name, or group and value, of the entry points by which TorchNeuron is found by torch. The other one has neither."""

NEEDS_XLA = re.compile(r"torch[-_.]xla(?![\w.-])", re.IGNORECASE)


def probe() -> dict[str, object]:
    """Versions of packages and compilers, where the compilers are, and the folders that packages were found in."""
    packages, places = {}, set()
    for name in PACKAGES:
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        packages[name] = found.version
        places.add(str(found.locate_file("")))
    places.update(entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages")))
    return {
        "python": platform.python_version(),
        "packages": packages,
        "lineage": lineage(),
        "compilers": {name: said for name, said in ((name, _ask(name)) for name in COMPILERS) if said},
        "places": sorted(place for place in places if os.path.isdir(place)),
    }


def lineage() -> str:
    """What torch-neuronx declares itself to be: `native`, or `xla`; empty where it isn't here, or declares neither."""
    try:
        found = importlib.metadata.distribution(FRAMEWORK)
    except importlib.metadata.PackageNotFoundError:
        return ""
    for entry in found.entry_points:
        if (entry.group, entry.name) in BACKENDS or (entry.group, entry.value.replace(" ", "")) in BACKENDS:
            return "native"
    return "xla" if any(NEEDS_XLA.match(each) for each in found.requires or ()) else ""


def _ask(name: str) -> str:
    """A compiler's first line about its version; empty where it isn't on PATH."""
    path = shutil.which(name)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "failed: " + str(error)
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text else "failed: it said nothing"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()) + "\n")
