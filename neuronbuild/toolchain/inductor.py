"""The `cpu` platform: torch.export and AOTInductor, on any x86-64 Linux host with g++."""

from __future__ import annotations

import importlib.metadata
import os
import platform as host
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, ClassVar, final

from neuronbuild.artifact.action import CompilerPart
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.digest import digest_json
from neuronbuild.errors import ToolchainError
from neuronbuild.host import cpu_flags
from neuronbuild.platforms import PLATFORMS
from neuronbuild.toolchain.base import WORKER_SETTINGS, Toolchain, WorkerCommand
from neuronbuild.toolchain.isa import LEVELS, Level, highest_level, level_named

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.artifact.action import CompileAction, ModelPart
    from neuronbuild.recipe.target import Options

PACKAGES = ("torch", "transformers")
FILES = ("model.pt2", "constants.safetensors")
INSTALL = "pip install 'neuronbuild[cpu]'"
COMPILER = "g++"

SETTINGS: dict[str, object] = {
    "aot_inductor.package_constants_in_so": False,
    "aot_inductor.enable_line_tables": False,
    "aot_inductor.enable_frame_pointer": False,
    "always_keep_tensor_constants": True,
    "cpp.dynamic_threads": True,
    "cpp.threads": 8,
    "force_pointwise_cat": True,
    "joint_graph_constant_folding": False,
}
"""Inductor's settings for every compile.

`always_keep_tensor_constants`: otherwise the values of small weights (a classifier's bias of up to 8 labels, a scalar
temperature) are written into the code, and the next fine-tune would be served with them.
`joint_graph_constant_folding`: otherwise so is whatever is computed of one number alone, such as the exponential of a
temperature, or a bias of one label in another precision.
`dynamic_threads`: otherwise code made where one thread is to be used has no parallel loops.
`threads`: decides how deep loops are split, no more; otherwise this host's count does, and code differs from host to host.
`force_pointwise_cat`: otherwise each part of a `cat` is a loop of its own, four a layer in rotary embeddings.
"""

WRAPPER_OPT_LEVEL = {"1": "O0", "2": "O1", "3": "O3"}
"""optlevel to g++'s level for the code that calls the kernels, which is most of the compile time. Kernels are always -O3."""

CLEARED = (
    "TORCH", "AOT_INDUCTOR", "AOTINDUCTOR", "OMP_", "GOMP_", "KMP_", "MKL_", "ATEN_", "PYTHONPATH",
    "CXX", "CFLAGS", "LDFLAGS", "CPATH", "CPLUS_INCLUDE_PATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_",
)  # fmt: skip
"""Beginnings of environment variables that would change a compile: they are taken out, since the fingerprint lacks them."""


@final
class Inductor(Toolchain):
    """AOTInductor in this interpreter. `isa` names a level lower than the host's; `scratch` keeps precompiled headers."""

    name: ClassVar[str] = "inductor"

    def __init__(self, scratch: Path, isa: str | None = None) -> None:
        self._scratch = scratch
        self._isa = isa

    def fingerprint(self, platform: str) -> Fingerprint:
        """Versions of torch, transformers, g++ and the C library, the ISA level, and every setting."""
        level = self._level()
        versions = {name: _version(name) for name in PACKAGES}
        versions[COMPILER] = _compiler_version()
        versions["libc"] = "-".join(host.libc_ver())
        flags = {
            "machine": host.machine(),
            "march": level.march,
            "vector_isa": level.vector_isa,
            "cpu_flags": sorted(level.flags),
            "wrapper_opt_level": WRAPPER_OPT_LEVEL,
            "inductor": SETTINGS,
        }
        return Fingerprint(self.name, platform, versions, flags)

    def options(self, options: Options, model: ModelPart) -> CompilerPart:  # noqa: ARG002
        """Casts and optlevel; the type of a cast that isn't asked for is left out."""
        cast = None if options.auto_cast == "none" else options.auto_cast_type
        return CompilerPart(auto_cast=options.auto_cast, auto_cast_type=cast, optlevel=options.optlevel)

    def runs_here(self, platform: str) -> bool:
        """Preflight has seen to it."""
        return PLATFORMS[platform].toolchain == self.name

    def preflight(self) -> None:
        """Check for g++, and for a host that can run what is made: results are checked here."""
        _compiler_version()
        level = self._level()
        lacking = level.flags - cpu_flags()
        if lacking:
            problem = f"this CPU can't run code for {level.march} (it lacks {', '.join(sorted(lacking))})"
            raise ToolchainError(self.name, problem, hint="set a lower `isa` in neuronbuild.yaml, or leave it out")

    def worker(self) -> WorkerCommand:
        """This interpreter, with folders for precompiled headers that all compiles of one fingerprint share."""
        name = digest_json(self.fingerprint("cpu").as_json()).sha256[:16]
        scratch = self._scratch / name
        for folder in ("cache", "tmp"):
            (scratch / folder).mkdir(parents=True, exist_ok=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(CLEARED)}
        environment |= {
            "TORCHINDUCTOR_CACHE_DIR": str(scratch / "cache"),
            "TMPDIR": str(scratch / "tmp"),
            **WORKER_SETTINGS,
        }
        return WorkerCommand(sys.executable, environment, self.name)

    def fault(self, folder: Path, files: list[str], action: CompileAction) -> str | None:  # noqa: ARG002
        """Both files must be there and hold something; the numeric check has run them already."""
        for name in FILES:
            if name not in files or not (folder / name).is_file() or (folder / name).stat().st_size == 0:
                return f"the compiler reported success, but left no usable {name}"
        return None

    def _level(self) -> Level:
        level = level_named(self._isa) if self._isa else highest_level(cpu_flags())
        if level is None or host.system() != "Linux" or host.machine() != "x86_64":
            lowest = LEVELS[-1].march
            here = f"{host.system()} {host.machine()}"
            problem = f"the cpu platform needs Linux on x86-64 with at least {lowest} (AVX2); this is {here}"
            raise ToolchainError(self.name, problem, hint="run on such a host, or choose a Neuron platform")
        return level


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise ToolchainError("inductor", f"the Python package {package} is not installed", hint=INSTALL) from None


def _compiler_version() -> str:
    path = shutil.which(COMPILER)
    if path is None:
        raise ToolchainError(
            "inductor",
            f"{COMPILER} is not on PATH",
            hint="install it (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++)",
        )
    done = subprocess.run([path, "-dumpfullversion", "-dumpversion"], capture_output=True, text=True, check=False, timeout=60)
    version = done.stdout.strip()
    if done.returncode != 0 or not version:
        raise ToolchainError("inductor", f"{path} doesn't tell its version: {done.stderr.strip()[:200]}")
    return version
