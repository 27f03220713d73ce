"""A Neuron SDK that is none: a virtual environment with doubles in it, so that interpreters, PATH and processes are real.

Everything that is tested on it is tested against the SDK's documentation, and on no Neuron hardware.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent

RELEASES = {
    "2.33.0": ("2.28.7631.0", "2.9.0.2.15.32035", "2.2.17544.0"),
    "2.32.0": ("2.27.5334.0", "2.9.0.2.15.32035", "2.2.17544.0"),
    "2.31.0": ("2.26.6360.0", "2.9.0.2.15.32035", "2.2.17544.0"),
    "2.30.0": ("2.25.3371.0", "2.9.0.2.14.27725", "2.2.16974.0"),
    "2.28.0": ("2.23.6484.0", "2.9.0.2.12.22436", "2.2.15515.0"),
    "2.26.1": ("2.21.33363.0", "2.8.0.2.10.16998", "2.2.12677.0"),
}
"""neuronx-cc, torch-neuronx, and the libneuronxla that this torch-neuronx was built with, which an install of it brings."""

BUILD = "+82129205"

LAST_OF_XLA = (2, 9)
"""The torch of the last torch-neuronx that stands on torch-xla."""

NATIVE = (
    "[torch_dynamo_backends]\nneuron = torch_neuronx.dynamo:neuron\n[torch.backends]\ntorch_neuronx = torch_neuronx:_autoload\n"
)
"""How TorchNeuron declares itself."""

PLACEHOLDERS = {"torch-neuronx": "1.0", "neuronx-cc": "1.0.post1", "libneuronxla": "1.0"}


@dataclass
class FakeSdk:
    """An environment that was made here."""

    root: Path

    @property
    def python(self) -> Path:
        return self.root / "bin/python"

    @property
    def site(self) -> Path:
        return next(self.root.glob("lib/python*/site-packages"))

    def set(self, **changes) -> None:
        """Change what the doubles do from now on: `acts`, `device`, `sdk`, `lineage`, `runtime`, `lenient`, `tracer`."""
        file = self.root / "double.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    def diary(self, call: str | None = None) -> list[dict]:
        """What was called, in order."""
        file = self.root / "diary.jsonl"
        entries = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
        return [entry for entry in entries if call is None or entry.get("call") == call]

    def forget(self) -> None:
        """A blank diary."""
        (self.root / "diary.jsonl").unlink(missing_ok=True)

    def package(self, name: str, version: str | None) -> None:
        """Have a package be there in a version, or not at all. Modules stay: only what pip would say changes."""
        for old in self.site.glob(f"{name.replace('-', '_')}-*.dist-info"):
            shutil.rmtree(old)
        if version is not None:
            folder = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
            folder.mkdir()
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            if name == "torch-neuronx" and version != PLACEHOLDERS[name]:
                if tuple(map(int, version.split(".")[:2])) > LAST_OF_XLA:
                    (folder / "entry_points.txt").write_text(NATIVE)
                else:
                    metadata += "Requires-Dist: torch-xla==2.9.*\n"
            (folder / "METADATA").write_text(metadata)

    def workspace(self, folder: Path, **others: FakeSdk) -> Path:
        """A `neuronbuild.yaml` whose toolchain neuronx is in this environment, and others in theirs."""
        folder.mkdir(parents=True, exist_ok=True)
        places, keys = {"neuronx": self, **others}, {}
        said = {"toolchains": {name: {"python": str(place.python)} for name, place in places.items()}, **keys}
        (folder / "neuronbuild.yaml").write_text(json.dumps(said))
        return folder


OLD = {"torch-neuron": "1.13.1.2.11.13.0", "neuron-cc": "1.24.0.0", "torch": "1.13.1", "transformers": "4.36.2"}
OLD_PYTHON = """import importlib.metadata, platform
platform.python_version = lambda: "3.10.12"
version = importlib.metadata.version
importlib.metadata.version = lambda name: "2.13.0" if name == "torch" else version(name)
"""
"""inf1's packages exist for old Pythons only: the double says that it is one. transformers must see the torch that is there."""


FRONT_END = "FRONT_END_PYTHON"
"""Names an interpreter with torch-xla: environments are made over it then, and graphs are lowered for real."""


def install_sdk(
    root: Path, release: str = "2.31.0", *, device: bool = False, over: str | None = os.environ.get(FRONT_END)
) -> FakeSdk:
    """A virtual environment with the doubles of one release.

    It stands over the torch, transformers and torch-xla of the interpreter `over`, else over the torch and transformers that
    the tests run with.
    """
    compiler, framework, xla = RELEASES[release]
    versions = {"neuronx-cc": compiler + BUILD, "torch-neuronx": framework, "libneuronxla": xla}
    versions |= {"torch": ".".join(framework.split(".")[:3]), "torch-xla": "2.9.0", "transformers": "4.57.1"}
    said = {"sdk": release, "compiler": compiler, "build": BUILD, "device": device, "acts": {}, "lineage": "xla"}
    parts = ("torch_neuronx", "neuronxcc", "libneuronxla", "neuronx-cc", *(() if over else ("torch_xla",)))
    return _install(root, versions, said, parts, over or sys.executable)


def install_optimum(root: Path) -> FakeSdk:
    """The environment that optimum-neuron is made for."""
    sdk = install_sdk(root, "2.26.1", over=None)
    for name, version in {"optimum-neuron": "0.4.5", "neuronx-distributed": "0.15.22404"}.items():
        sdk.package(name, version)
    shutil.copytree(HERE / "packages/optimum", sdk.site / "optimum")
    return sdk


def install_inf1(root: Path, *, device: bool = False) -> FakeSdk:
    """The same for the first generation, whose packages go with no others."""
    said = {"sdk": "2.31.0", "compiler": OLD["neuron-cc"], "build": "", "device": device, "acts": {}}
    sdk = _install(root, OLD, said, ("torch_neuron", "neuron-cc"), sys.executable)
    (sdk.site / "sitecustomize.py").write_text(OLD_PYTHON)
    return sdk


def _install(root: Path, versions: dict[str, str], said: dict, parts: tuple[str, ...], over: str) -> FakeSdk:
    if over == sys.executable:
        venv.create(root, with_pip=False, symlinks=True)
        real = sysconfig.get_path("purelib")
    else:
        subprocess.run([over, "-m", "venv", "--without-pip", "--symlinks", str(root)], check=True)
        asked = [over, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        real = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    sdk = FakeSdk(root)
    for module in ("front_end.py", "neuron_double.py", "one_device.py"):
        shutil.copy(HERE / "packages" / module, sdk.site)
    (sdk.site / "real.pth").write_text(real + "\n")
    (root / "double.json").write_text(json.dumps(said))
    for name, version in versions.items():
        sdk.package(name, version)
    for part in parts:
        if (HERE / "packages" / part).is_dir():
            shutil.copytree(HERE / "packages" / part, sdk.site / part)
        else:
            target = root / "bin" / part
            script = (HERE / "bin" / part).read_text()
            target.write_text(f"#!{sdk.python} -S\nimport sys; sys.path.insert(0, {str(sdk.site)!r})\n{script}")
            target.chmod(0o755)
    return sdk


__all__ = ["BUILD", "FRONT_END", "PLACEHOLDERS", "RELEASES", "FakeSdk", "install_inf1", "install_optimum", "install_sdk"]
