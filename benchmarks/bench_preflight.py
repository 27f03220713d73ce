"""`neuronbuild preflight` of one model: seconds, against the imports that it can't do without, and its largest process.

A model of two layers, and two of real sizes, BERT-base and a Llama of 135 million parameters (SmolLM2's config), whose cached
graphs are lowered. Preflight makes up the weights, so that no checkpoint is needed. `FRONT_END_PYTHON` names an interpreter
with torch-xla (`neuronbuild preflight --setup` makes one).
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path

from common import BERT, neuronbuild, report, run

BERT_BASE = {
    "model_type": "bert", "architectures": ["BertModel"], "hidden_size": 768, "num_hidden_layers": 12,
    "num_attention_heads": 12, "intermediate_size": 3072, "vocab_size": 30522, "max_position_embeddings": 512,
}  # fmt: skip
LLAMA_135M = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 576, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49152,
    "max_position_embeddings": 8192, "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
TEXT = {"batch_size": 1, "sequence_length": 128}
CASES = {
    "bert-2-layers": (BERT, "feature-extraction", TEXT),
    "bert-base": (BERT_BASE, "feature-extraction", TEXT),
    "llama-135m": (LLAMA_135M, "text-generation", TEXT),
}
IMPORTS = "import torch_xla, transformers"


def preflight(root: Path, python: str, case: str) -> tuple[float, float, int]:
    """Seconds of a preflight that knows nothing yet, GiB of the largest process, and how many graphs it lowered."""
    config, task, shapes = CASES[case]
    folder = root / case
    (folder / "model").mkdir(parents=True)
    (folder / "model/config.json").write_text(json.dumps(config))
    (folder / "neuronbuild.yaml").write_text(json.dumps({"sdk": "2.31.0", "toolchains": {"frontend": {"python": python}}}))
    recipe = {"model": "./model", "task": task, "platforms": ["trn1"], "shapes": shapes}
    (folder / "r.yaml").write_text(json.dumps(recipe))
    with Largest() as largest:
        seconds = run(neuronbuild("preflight", "r.yaml", "--hlo", "hlo"), folder, XDG_CACHE_HOME=str(folder / "cache"))
    return seconds, largest.kibibytes / (1 << 20), len(list(folder.glob("hlo/*/graph.hlo")))


class Largest:
    """The most memory that any process below this one has had at a time, as the kernel counts it (VmHWM).

    Looked at twice a second: the worker ends by a signal, and `getrusage` knows only of processes that were waited for.
    """

    def __enter__(self) -> Largest:
        self.kibibytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            self.kibibytes = max([self.kibibytes, *(_peak(process) for process in _below(os.getpid()))])


def _below(process: int) -> list[int]:
    """All processes below one, at any depth."""
    children = [int(word) for task in Path(f"/proc/{process}/task").glob("*/children") for word in _text(task).split()]
    return children + [each for child in children for each in _below(child)]


def _peak(process: int) -> int:
    lines = [line for line in _text(Path(f"/proc/{process}/status")).splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) if lines else 0


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # it has ended
        return ""


def main() -> None:
    """One line for each model."""
    python = os.environ.get("FRONT_END_PYTHON")
    if not python:
        report("preflight", skipped="FRONT_END_PYTHON names no interpreter with torch-xla")
        return
    with tempfile.TemporaryDirectory() as text:
        root = Path(text)
        imports = min(run([python, "-c", IMPORTS], root, PJRT_DEVICE="CPU") for _ in range(2))
        for case in CASES:
            seconds, peak, graphs = preflight(root, python, case)
            report(f"preflight-{case}", to_imports=seconds / imports, seconds=seconds, graphs=graphs, peak_gib=peak)


if __name__ == "__main__":
    main()
