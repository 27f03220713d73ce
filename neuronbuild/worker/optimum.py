"""Have optimum-neuron export a whole model, in a process of its own, and take the folder that it leaves.

Its own module is run rather than its command, which hands a joined line to a shell. All paths are relative and plain: it
chooses compiler flags by words in a model's path. Its caches are private to the job, or it would serve an older model's
weights, and failures of the past.
"""

from __future__ import annotations

import os
import subprocess
import sys

from . import neuron_log
from .contract import Action, CompileJob, CompileResult
from .errors import JobError, UserError
from .versions import versions

MODULE = "optimum.exporters.neuron"
MODEL, EXPORTED, WORK = "model", "exported", "work"
PACKAGES = (
    "optimum-neuron", "neuronx-cc", "torch-neuronx", "neuronx-distributed", "torch", "transformers", "diffusers", "peft",
)  # fmt: skip


def compile_action(job: CompileJob) -> CompileResult:
    """Export, and list what isn't the model's own."""
    folder, action = job["folder"], job["action"]
    _refuse_other_libraries(action["compiler"].get("libraries", {}))
    work = os.path.join(folder, WORK)
    os.makedirs(work)
    command = [sys.executable, "-m", MODULE, *words(action)]
    private = {
        "NEURON_COMPILE_CACHE_URL": os.path.join(folder, "neuron-cache"),
        "BASE_COMPILE_WORK_DIR": os.path.join(work, "graphs") + os.sep,
    }
    with open(os.path.join(work, neuron_log.LOGS[0]), "ab") as log:
        done = subprocess.run(command, cwd=folder, env={**os.environ, **private}, stdout=log, stderr=log, check=False)
    said = neuron_log.read(work)
    if done.returncode != 0:
        raise neuron_log.classify("optimum-neuron", done.returncode, said)
    if not os.path.isdir(os.path.join(folder, EXPORTED)):
        raise JobError("output", "optimum-neuron reported success, but left no folder")
    return {
        "files": sorted(_made(folder)),
        "signature": {"inputs": [], "outputs": [], "constants": [], "states": []},
        "checks": [],
        "facts": {"versions": versions(PACKAGES), "notes": []},
    }


def words(action: Action) -> list[str]:
    """All that the exporter is told of an action."""
    sizes = [word for axis, size in action["shape"].items() for word in ("--" + axis, str(size))]
    ending = ["--disable_neuron_cache", "--disable-validation", EXPORTED]
    return ["--model", MODEL, *action["compiler"]["arguments"], *sizes, *ending]


def _refuse_other_libraries(wanted: dict[str, str]) -> None:
    """Stop where what loads the model isn't what was planned for.

    Raises:
        UserError: a library is missing, or of another version.
    """
    here = versions(tuple(wanted))
    for name, version in sorted(wanted.items()):
        if here.get(name) != (version or None):
            found = "isn't installed" if name not in here else f"is {here[name]}, and {version or 'none'} was planned for"
            advice = f"install optimum-neuron[diffusers] there, or correct toolchains.optimum.versions ({name})"
            raise UserError(f"{name} {found} in {sys.executable}: {advice}")


def _made(folder: str) -> list[str]:
    """Files of the folder that the exporter made: those that it copied are the model's, and a release has them from there.

    Configs are its own, whatever they are called.
    """
    exported, model = os.path.join(folder, EXPORTED), os.path.join(folder, MODEL)
    found = []
    for place, _, names in os.walk(exported):
        for name in names:
            path = os.path.relpath(os.path.join(place, name), exported)
            copied = name != "config.json" and os.path.isfile(os.path.join(model, path))
            if not copied and not name.startswith("."):
                found.append(os.path.join(EXPORTED, path).replace(os.sep, "/"))
    return found
