"""What the benchmarks share: a tiny model, a store filled without compiling, timing of whole commands, one JSON line."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BERT = {
    "model_type": "bert", "architectures": ["BertModel"], "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 128, "vocab_size": 1000, "max_position_embeddings": 60000,
}  # fmt: skip


def run(command: list[str], cwd: Path, **variables: str) -> float:
    """Seconds of a whole command. Python may keep what it compiled, as on a user's machine: peers were installed with it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env={**environment, **variables}, capture_output=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"{command} failed:\n{done.stderr.decode()}")
    return seconds


def paired(first: list[str], second: list[str], cwd: Path, runs: int = 5, **variables: str) -> tuple[float, float, float]:
    """Median seconds of two commands run in turn, after one of each that isn't counted, and the median of their ratios."""
    run(first, cwd, **variables), run(second, cwd, **variables)
    pairs = [(run(first, cwd, **variables), run(second, cwd, **variables)) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio


def report(name: str, **figures: object) -> None:
    """One JSON line: ratios come first."""
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}
    print(json.dumps({"benchmark": name, **rounded}), flush=True)


def neuronbuild(*arguments: str) -> list[str]:
    """The command line, in this interpreter."""
    return [sys.executable, "-m", "neuronbuild", *arguments]
