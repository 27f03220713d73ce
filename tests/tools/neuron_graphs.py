"""Every graph that the task table names for Neuron, over tiny models, lowered by torch-xla.

`FRONT_END_PYTHON=<interpreter with torch-xla> python -m tests.tools.neuron_graphs [PATTERN]` prints what comes of each;
without a pattern it writes `docs/neuron-graphs.md` anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.build.process import Worker
from neuronbuild.tasks import FAMILIES, TASKS
from neuronbuild.toolchain.base import WorkerCommand
from neuronbuild.toolchain.neuronx import Neuronx
from tests import senses
from tests.conftest import ROOT, SHAPES, SIZES, TEXT
from tests.tools.action_keys import SENTENCES
from tests.tools.tiny import ANSWERER, DECODER, OWN_ANSWERER, OWN_DECODER, OWN_ENCODER
from tests.unit.plan.cases import make_action

NEURONX = Fingerprint("neuronx", "inf2", {"neuronx-cc": "2.26.6360.0", "torch": "2.9.0"}, {"target_override": "trn1"})
GENERATION = {"batch_size": 2, "num_beams": 2, "sequence_length": 32, "prefill_length": 8}
POOLING = {"1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}}
PATIENCE = 600.0
PYTHON = "FRONT_END_PYTHON"
"""The variable that names the interpreter with torch-xla."""


def cases() -> Iterator[tuple[str, dict[str, object]]]:
    """Every graph by name, `<task> <family> <graph>`, with its action's document."""
    for task in TASKS.values():
        for name, family in FAMILIES.items():
            if task.name in family.tasks:
                yield from _graphs_of(task.name, name)


def _graphs_of(task: str, family: str) -> Iterator[tuple[str, dict[str, object]]]:
    for graph in TASKS[task].graphs:
        action = make_action(
            config=_config(task, family), task=task, fingerprint=NEURONX, sizes=_sizes(task, family), graph=graph.name,
            documents=SENTENCES | POOLING, weights={"model.safetensors": "5" * 64}, auto_cast="none",
        )  # fmt: skip
        model = action.document["model"]
        yield f"{task} {family} {graph.name}", {**action.document, "model": {**model, "attention": Neuronx.attention}}


def _config(task: str, family: str) -> dict[str, object]:
    if family in senses.CONFIGS:
        return {"model_type": family, **senses.CONFIGS[family]}
    if task == "text-generation":
        return {"model_type": family, **DECODER, **OWN_DECODER.get(family, {})}
    if task in {"text2text-generation", "speech-seq2seq"}:
        return {"model_type": family, **OWN_ANSWERER.get(family, {**ANSWERER, "max_position_embeddings": 40})}
    return {"model_type": family, **SIZES, **OWN_ENCODER.get(family, {})}


def _sizes(task: str, family: str) -> dict[str, int]:
    if task == "text-generation":
        return GENERATION
    return senses.OWN_SHAPES.get(family) or {"batch_size": 2, **SHAPES.get(task, TEXT)}


def lower(documents: dict[str, dict[str, object]]) -> Iterator[tuple[str, dict[str, object]]]:
    """What the worker says of each document, by name."""
    environment = {**os.environ, "PJRT_DEVICE": "CPU", "HF_HUB_OFFLINE": "1"}
    command = WorkerCommand(os.environ[PYTHON], environment)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        log.touch()
        worker = Worker(command, log)
        for name, document in documents.items():
            job = Path(folder, "job.json")
            job.write_text(json.dumps({"kind": "lower", "action": document, "folder": folder}), encoding="utf-8")
            answer = worker.run(job, PATIENCE)
            if answer.error:
                sys.stderr.write(answer.log.decode()[-2000:])
            yield name, {"error": str(answer.error.message)} if answer.error else answer.result
        worker.close()


TABLE = ROOT / "docs/neuron-graphs.md"
SEPARABLE = ROOT / "neuronbuild/tasks/separable.py"
NONE = "none"

HEAD = """# Graphs for Neuron, lowered by torch-xla

Every graph that the task table names for inf2 and Trainium, over a tiny model of each family, lowered by the SDK's own front
end: torch-xla {torch_xla}, torch {torch}, transformers {transformers}, on the CPU. `make front-end` writes this page.

A row says whether the graph lowers, which tensors are constants of it that follow from an example or from weights, which
operators have no lowering, how many constants are of 64 bits, how far the lowered graph is from eager PyTorch on other inputs
than the traced ones (the largest difference relative to the largest value; padded rows, and the last slots of caches, are
among them), and the beginning of the SHA-256 of its HLO without names. Nothing was compiled by neuronx-cc, and nothing ran on
a device.

| task | family | graph | lowers | baked | fallen | 64-bit constants | difference | HLO |
|---|---|---|---|---|---|---|---|---|
"""

DATA = """\"\"\"Which models keep every weight apart in their lowered graphs. Data, written by `make front-end`.

Lowered by torch-xla {torch_xla}: no constant of these graphs follows from a weight, so `weights: separate` can be right.
\"\"\"

from __future__ import annotations

SEPARABLE: dict[str, tuple[str, ...]] = {pairs}
"""


def row(name: str, said: dict) -> str:
    """A line of the table."""
    if "error" in said:
        return "| " + " | ".join([*name.split(), f"no: {said['error']}", *[""] * 5]) + " |\n"
    baked = ", ".join(f"{each['from']} {each['shape']}" for each in said["baked"]) or NONE
    fallen = ", ".join(each["operator"] for each in said["fallen"]) or NONE
    errors, scales = said["check"]["max_abs_error"], said["check"]["scale"]
    worst = said["differs"] or f"{max(error / scales[output] for output, error in errors.items()):.0e}"
    same = "yes" if said["same"] else "two examples give two graphs"
    cells = [*name.split(), same, baked, fallen, str(said["wide"]), worst, said["digest"][:12]]
    return "| " + " | ".join(cells) + " |\n"


def write(found: dict[str, dict]) -> None:
    """The table, and the data that follows from it."""
    versions = _versions()
    rows = "".join(row(name, said) for name, said in found.items())
    TABLE.write_text(HEAD.format(**versions) + rows, encoding="utf-8")
    documents, pairs = dict(cases()), {}
    for name, said in found.items():
        pairs.setdefault((documents[name]["model"]["auto_class"], name.split()[1]), []).append(said)
    sound = sorted(
        pair for pair, results in pairs.items() if all("error" not in each and not each["baked"] for each in results)
    )
    by_class = {auto: tuple(family for other, family in sound if other == auto) for auto, _ in sound}
    SEPARABLE.write_text(DATA.format(torch_xla=versions["torch_xla"], pairs=repr(by_class)), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(SEPARABLE)], check=True)


def _versions() -> dict[str, str]:
    names = ("torch_xla", "torch", "transformers")
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names}}}))"
    done = subprocess.run([os.environ[PYTHON], "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main(pattern: str) -> int:
    """Print what comes of the graphs whose names have the pattern in them; without one, write it down. 1 if any is wrong."""
    found = {}
    for name, said in lower({name: document for name, document in cases() if pattern in name}):
        found[name] = said
        sys.stdout.write(row(name, said))
        sys.stdout.flush()
    if not pattern:
        write(found)
    return int(
        any(
            "error" in said or said["baked"] or said["fallen"] or said["differs"] or not said["same"] for said in found.values()
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
