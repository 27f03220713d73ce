"""A release at run time: loading against mapping its weights, a padded call against the bare session, all against eager.

Takes the release that `make apply` wrote (or the folder named on the command line). Everything in one process, at one thread
count, in turns.
"""

from __future__ import annotations

import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors
import torch
from common import ROOT, report
from transformers import AutoModel

from neuronbuild import NeuronSentenceTransformers
from neuronbuild.digest import digest_file
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
CALLS = 10


def seconds(call: Callable[[], object], calls: int = CALLS) -> float:
    """Mean seconds of a call."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls


def in_turns(*calls: Callable[[], object]) -> list[float]:
    """Median seconds of each call, measured in turns, so that the machine's moods hit all alike."""
    for call in calls:
        seconds(call, 5)
    rounds = [[seconds(call) for call in calls] for _ in range(ROUNDS)]
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def load_times(folder: Path) -> tuple[float, float]:
    """Seconds to open a release with its first session, and to map its weights alone."""
    shape = NeuronSentenceTransformers.from_pretrained(folder).shapes[0]
    tokens = torch.ones(shape["batch_size"], shape["sequence_length"], dtype=torch.int64)

    def load() -> None:
        Runner(read_release(folder)).run({"input_ids": tokens})

    def mapping() -> list[torch.Tensor]:
        with safetensors.safe_open(folder / "model.safetensors", "pt") as file:
            return [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118 (no mapping)

    runner = Runner(read_release(folder))
    loaded, mapped, call = in_turns(load, mapping, lambda: runner.run({"input_ids": tokens}))
    return loaded - call, mapped


def copy_times(folder: Path) -> tuple[float, float]:
    """Seconds to verify the files of a graph with a private copy of its code, and to take their digests alone."""
    bucket = read_release(folder).buckets[0]

    def verify() -> None:
        with bucket.verified(unpacked=True):
            pass

    verified, read = in_turns(verify, lambda: [digest_file(bucket.folder / path) for path in bucket.files])
    return verified, read


def main() -> None:
    """Four lines."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "releases/minilm-l6-cpu"
    loaded, mapped = load_times(folder)
    report("load", load_minus_mapping_ms=(loaded - mapped) * 1e3, load_s=loaded, mapping_s=mapped)

    verified, read = copy_times(folder)
    report("verify", verify_minus_digests_ms=(verified - read) * 1e3, verify_s=verified, digests_s=read)

    release = read_release(folder)
    runner, shapes = Runner(release), [bucket.shape for bucket in release.buckets]
    index = min(range(len(shapes)), key=lambda i: shapes[i].axes)
    rows, length = (size for _, size in shapes[index].axes)
    exact = {"input_ids": torch.randint(5, 1000, (rows, length)), "attention_mask": torch.ones(rows, length, dtype=torch.int64)}
    padded = {name: tensor[:, : length * 2 // 3] for name, tensor in exact.items()}
    runner.run(exact)
    session = runner._sessions.get(index)
    tensors = [*exact.values(), torch.zeros(rows, length, dtype=torch.int64)]
    bare_s, padded_s = in_turns(lambda: session.run(tensors), lambda: runner.run(padded))
    report("padding", padded_to_bare=padded_s / bare_s, padded_s=padded_s, bare_s=bare_s)

    eager = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        for shape in shapes:
            rows, length = (size for _, size in shape.axes)
            tokens = torch.randint(5, 1000, (rows, length))
            compiled_s, eager_s = in_turns(partial(runner.run, {"input_ids": tokens}), partial(eager, tokens))
            report(
                "forward",
                eager_to_compiled=eager_s / compiled_s,
                batch=rows,
                length=length,
                eager_s=eager_s,
                compiled_s=compiled_s,
            )


if __name__ == "__main__":
    main()
