"""Every graph that the task table names for Neuron, over tiny models, lowered by torch-xla.

`FRONT_END_PYTHON=<interpreter with torch-xla> python -m tests.tools.neuron_graphs [PATTERN]` prints what comes of each;
without a pattern it writes `docs/neuron-graphs.md` anew.
"""

from __future__ import annotations

import json
import os
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
from tests.conftest import SHAPES, SIZES, TEXT
from tests.tools.action_keys import SENTENCES
from tests.tools.tiny import ANSWERER, DECODER, OWN_ANSWERER, OWN_DECODER, OWN_ENCODER
from tests.unit.plan.cases import make_action

NEURONX = Fingerprint("neuronx", "inf2", {"neuronx-cc": "2.26.6360.0", "torch": "2.9.0"}, {"target_override": "trn1"})
GENERATION = {"batch_size": 2, "num_beams": 2, "sequence_length": 32, "prefill_length": 8}
POOLING = {"1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}}
PATIENCE = 600.0


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
    command = WorkerCommand(os.environ["FRONT_END_PYTHON"], environment)
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


def main(pattern: str) -> None:
    """Print what comes of the graphs whose names have the pattern in them."""
    for name, said in lower({name: document for name, document in cases() if pattern in name}):
        faults = {key: said[key] for key in ("error", "baked", "fallen", "wide") if said.get(key)}
        if "error" not in said:
            check = said["check"]
            worst = max(error / check["scale"][output] for output, error in check["max_abs_error"].items())
            faults |= {"differs": worst} if worst > 1e-5 else {}
            faults |= {} if said["same"] else {"same": False}
        print(name, "ok" if not faults else json.dumps(faults), flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
