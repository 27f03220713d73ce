"""A double of optimum-neuron's exporter, with the traps that it is known for."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import signal
import struct
import sys

import neuron_double as double

LEAKS = ("transformer", "unet", "vae", "controlnet", "text_encoder")
SHAPES = ("batch_size", "sequence_length", "num_beams", "num_choices", "audio_sequence_length", "image_size")


def parse():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--task", default="auto")
    parser.add_argument("--instance_type", choices=["trn1", "inf2", "trn1n", "trn2"], required=not double.settings()["device"])
    parser.add_argument("--tensor_parallel_size", type=int, default=1)
    parser.add_argument("--torch_dtype", choices=["bfloat16", "float16", "float32"], default="float32")
    parser.add_argument("--auto_cast", choices=["none", "matmul", "all"])
    parser.add_argument("--auto_cast_type", choices=["bf16", "fp16", "tf32"], default="bf16")
    parser.add_argument("--inline-weights-neff", action="store_true")
    parser.add_argument("--disable_neuron_cache", action="store_true")
    parser.add_argument("--disable-validation", action="store_true")
    level = parser.add_mutually_exclusive_group()
    for number in "123":
        level.add_argument(f"-O{number}", action="store_const", const=number, dest="optlevel")
    for name in SHAPES:
        parser.add_argument("--" + name, type=int)
    return parser.parse_args()


def main():
    said = parse()
    os.environ[double.STEP] = str(said.batch_size)
    cache = os.environ.get("NEURON_COMPILE_CACHE_URL", "/var/tmp/neuron-compile-cache")
    double.note(
        call="optimum",
        argv=sys.argv[1:],
        cache=cache,
        cwd=str(pathlib.Path.cwd()),
        work=os.environ.get("BASE_COMPILE_WORK_DIR"),
    )
    if any(word in said.model for word in LEAKS):
        raise AssertionError("the model's path changes the compiler's flags")
    said.output.mkdir(parents=True)
    for name in ("vocab.txt", "tokenizer_config.json", "tokenizer.json"):
        if (pathlib.Path(said.model) / name).is_file():
            shutil.copy(pathlib.Path(said.model) / name, said.output)
    config = json.loads((pathlib.Path(said.model) / "config.json").read_text())
    chosen = double.act("optimum")
    if said.task == "text-generation":
        export_decoder(said, config, chosen)
    else:
        export_parts(said, config, chosen)
    if not said.disable_neuron_cache:
        raise SystemExit("the Hub's repository can't be looked up, after all was compiled")


def mishap(chosen):
    if chosen == "fails":
        raise RuntimeError("[NCC_EVRF001] Operator custom-hum is not supported")
    if chosen == "killed":
        os.kill(os.getpid(), signal.SIGKILL)


def export_decoder(said, config, chosen):
    """The config first, then the graphs: a crash leaves a folder that looks like one."""
    target = "trn1" if chosen == "wrong-target" or said.instance_type != "trn2" else "trn2"
    neuron = {
        "_serialized_key": "NxDNeuronConfig", "optimum_neuron_version": "0.4.5", "checkpoint_id": said.model,
        "batch_size": said.batch_size or 1, "sequence_length": said.sequence_length, "tp_degree": said.tensor_parallel_size,
        "torch_dtype": said.torch_dtype, "target": target, "start_rank_id": 0, "local_ranks_size": said.tensor_parallel_size,
    }  # fmt: skip
    (said.output / "config.json").write_text(json.dumps(config, indent=2))
    (said.output / "neuron_config.json").write_text(json.dumps(neuron, indent=2))
    mishap(chosen)
    if chosen == "no-model":
        return
    (said.output / "model.pt").write_bytes(b"graphs" if chosen != "empty" else b"")
    place = said.output / "checkpoint/weights"
    place.mkdir(parents=True)
    for rank in range(said.tensor_parallel_size - (chosen == "missing-rank")):
        header = b"{}"
        (place / f"tp{rank}_sharded_checkpoint.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def export_parts(said, config, chosen):
    """An encoder and a decoder, and a config without a block at the top."""
    (said.output / "config.json").write_text(json.dumps(config, indent=2))
    for part in ("encoder", "decoder"):
        mishap(chosen)
        (said.output / part).mkdir()
        block = {"static_batch_size": said.batch_size, "static_sequence_length": said.sequence_length}
        (said.output / part / "config.json").write_text(json.dumps({**config, "neuron": block}))
        (said.output / part / "model.neuron").write_bytes(double.make_neff(b"graph", 1))


main()
