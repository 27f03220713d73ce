"""A double of `python -m optimum.exporters.neuron` of optimum-neuron 0.4.5: its parser, which model takes which way, and its
traps. It stands for `main()` and what is below it; nothing is compiled.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pathlib
import shutil
import signal
import struct
import sys
import time
import zipfile

import neuron_double as double

from optimum.exporters.neuron import registry

LEAKS = ("transformer", "unet", "vae", "controlnet", "text_encoder")
SHAPES = (
    "batch_size", "text_batch_size", "image_batch_size", "sequence_length", "num_beams", "num_choices", "num_channels", "width",
    "height", "image_size", "patch_size", "num_images_per_prompt", "audio_sequence_length",
)  # fmt: skip
LISTS = ("lora_model_ids", "lora_weight_names", "lora_adapter_names", "controlnet_ids")
DIFFUSION = ("text-to-image", "image-to-image", "inpainting")
OF_PIPELINES = ("text_encoder", "text_encoder_2", "unet", "transformer", "image_encoder")
SCALE = 8


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
    parser.add_argument("--dynamic-batch-size", action="store_true")
    parser.add_argument("--disable_neuron_cache", action="store_true")
    parser.add_argument("--disable-validation", action="store_true")
    level = parser.add_mutually_exclusive_group()
    for number in "123":
        level.add_argument(f"-O{number}", action="store_const", const=number, dest="optlevel")
    for name in SHAPES:
        parser.add_argument("--" + name, type=int)
    for name in LISTS:
        parser.add_argument("--" + name, nargs="*")
    parser.add_argument("--lora_scales", nargs="*", type=float)
    return parser.parse_args()


def main():
    said = parse()
    os.environ[double.STEP] = str(said.batch_size)
    cache = os.environ.get("NEURON_COMPILE_CACHE_URL", "/var/tmp/neuron-compile-cache")
    entry = {"call": "optimum", "argv": sys.argv[1:], "cache": cache, "cwd": str(pathlib.Path.cwd())}
    if any(word in said.model for word in LEAKS):
        raise AssertionError("the model's path changes the compiler's flags")
    model = pathlib.Path(said.model)
    chosen = double.act("optimum")
    said.output.mkdir(parents=True)
    if (model / "model_index.json").is_file():
        entry["lora"] = fused(said)
        entry["parts"] = export_pipeline(said, json.loads((model / "model_index.json").read_text()), chosen)
    else:
        for name in (
            "vocab.txt",
            "tokenizer_config.json",
            "tokenizer.json",
            "generation_config.json",
            "preprocessor_config.json",
        ):
            if (model / name).is_file():
                shutil.copy(model / name, said.output)
        config = json.loads((model / "config.json").read_text())
        decoder = registry.decoder_config(config, said.task)
        if decoder is None:
            registry.refuse_unknown(config, said.task)
            entry["loaded"] = said.torch_dtype if said.tensor_parallel_size == 1 else "float32"
            export_parts(said, config, chosen)
        else:
            export_decoder(said, decoder, chosen, part="text_config" in config)
    double.note(**entry, work=os.environ.get("BASE_COMPILE_WORK_DIR"))
    if not said.disable_neuron_cache:
        raise SystemExit("the Hub's repository can't be looked up, after all was compiled")


def mishap(chosen):
    if chosen == "fails":
        raise RuntimeError("[NCC_EVRF001] Operator custom-hum is not supported")
    if chosen == "internal":
        raise RuntimeError("[NCC_ILSM901] LegalizeSundaMacro assertion failed; neuronx-cc failed with 70")
    if chosen == "status-70":
        sys.exit(70)
    if chosen == "f137":
        raise RuntimeError("neuronx-cc failed with -9: [F137] neuronx-cc was forcibly killed, insufficient system memory")
    if chosen == "disk":
        raise OSError(28, "No space left on device")
    if chosen == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if chosen == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if chosen == "hang":
        double.note(process=os.getpid())
        time.sleep(600)


def archive(content=b"graph"):
    """What torch.jit.save writes: a zip file with the NEFF as it is in one entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("model/data/0", double.make_neff(content, 1))
    return buffer.getvalue()


def put(path, chosen=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = archive()
    path.write_bytes({"empty": b"", "short": whole[: len(whole) // 2], "no-neff": no_neff()}.get(chosen, whole))


def no_neff():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("model/data/0", b"nothing compiled")
    return buffer.getvalue()


def put_shards(place, ranks):
    place.mkdir(parents=True, exist_ok=True)
    for rank in range(ranks):
        header = b"{}"
        (place / f"tp{rank}_sharded_checkpoint.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def export_decoder(said, config, chosen, *, part):
    """The config first, then the graphs: a crash leaves a folder that looks like one. `--torch_dtype` is passed over.

    Of a `part` of a model no weights are saved.
    """
    print("Ignoring the following kwargs as they are not supported by neuron: dict_keys(['torch_dtype'])", file=sys.stderr)
    target = "trn1" if chosen == "wrong-target" or said.instance_type != "trn2" else "trn2"
    neuron = {
        "_serialized_key": "NxDNeuronConfig", "optimum_neuron_version": "0.4.5", "checkpoint_id": said.model,
        "batch_size": said.batch_size or 1, "sequence_length": said.sequence_length, "tp_degree": said.tensor_parallel_size,
        "torch_dtype": config["dtype"], "target": target, "start_rank_id": 0, "local_ranks_size": said.tensor_parallel_size,
    }  # fmt: skip
    (said.output / "config.json").write_text(json.dumps(config, indent=2))
    (said.output / "neuron_config.json").write_text(json.dumps(neuron, indent=2))
    mishap(chosen)
    if chosen == "no-model":
        return
    put(said.output / "model.pt", chosen)
    if not part:
        put_shards(said.output / "checkpoint/weights", said.tensor_parallel_size - (chosen == "missing-rank"))


def block(said, **shapes):
    return {
        "auto_cast": said.auto_cast if said.auto_cast != "none" else None, "compiler_type": "neuronx-cc",
        "compiler_version": double.settings()["compiler"] + double.settings()["build"], "optlevel": said.optlevel or "2",
        "dynamic_batch_size": said.dynamic_batch_size, "inline_weights_to_neff": said.inline_weights_neff,
        "tensor_parallel_size": said.tensor_parallel_size, "instance_type": said.instance_type, "int_dtype": "int64",
        "float_dtype": "fp32", "output_attentions": False, "output_hidden_states": False, "task": said.task,
        **{f"static_{axis}": size for axis, size in shapes.items()},
    }  # fmt: skip


def export_parts(said, config, chosen):
    """An encoder and a decoder, and a config without a block at the top. Over several cores a part's file is a folder."""
    needed = ["batch_size", "sequence_length"] + ["num_beams"] * (config["model_type"] == "t5")
    for name in needed:
        if getattr(said, name) is None:
            raise AttributeError(f"Cannot find the value of `{name}` which is mandatory for exporting the model")
    (said.output / "config.json").write_text(json.dumps(config, indent=2))
    shapes = {name: getattr(said, name) for name in needed}
    if chosen == "other-size":
        shapes["sequence_length"] += 1
    for part in ("encoder", "decoder"):
        mishap(chosen)
        if said.tensor_parallel_size > 1:
            registry.refuse_cores(config, said.num_beams, part)
        (said.output / part).mkdir()
        kind = {"model_type": f"{config['model_type']}-{part}"}
        (said.output / part / "config.json").write_text(json.dumps({**config, "neuron": {**block(said, **shapes), **kind}}))
        if part == "decoder" and chosen == "no-model":
            return
        if said.tensor_parallel_size == 1:
            put(said.output / part / "model.neuron", chosen)
        for rank in range(said.tensor_parallel_size - (chosen == "missing-rank")) if said.tensor_parallel_size > 1 else ():
            put(said.output / part / f"model.neuron/tp_{rank}.pt", chosen)


def fused(said):
    """The LoRAs that count: without file names none does, and nothing is said."""
    if not said.lora_model_ids or not said.lora_weight_names:
        return []
    if (
        len({len(said.lora_model_ids), len(said.lora_weight_names), len(said.lora_adapter_names or ())})
        != 1
        < len(said.lora_model_ids)
    ):
        raise ValueError("weight_name and lora_scale are required to fuse more than one lora")
    files = [pathlib.Path(place) / name for place, name in zip(said.lora_model_ids, said.lora_weight_names)]
    scales = said.lora_scales or [1.0] * len(files)
    return [[file.read_bytes().decode(errors="replace"), scale] for file, scale in zip(files, scales)]


def export_pipeline(said, index, chosen):
    """Small files first, then a folder for each part; gives what each was compiled with."""
    if said.task not in DIFFUSION:
        raise KeyError(f"Unknown task: {said.task}")
    lacking = {name for name in ("batch_size", "height", "width") if getattr(said, name) is None}
    if lacking:
        raise AttributeError(f"Shape of {lacking} are mandatory for neuron compilation, while {lacking} are not given.")
    model, output = pathlib.Path(said.model), said.output
    for name in ("scheduler", "tokenizer", "tokenizer_2", "feature_extractor"):
        if (model / name).is_dir():
            shutil.copytree(model / name, output / name)
    (output / "model_index.json").write_text(json.dumps({**index, "_diffusers_version": "0.35.2"}, indent=2))
    controlnets = {f"controlnet_{number}": pathlib.Path(place) for number, place in enumerate(said.controlnet_ids or ())}
    for place in controlnets.values():
        assert json.loads((place / "config.json").read_text())["_class_name"] == "ControlNetModel"
    there = [name for name in OF_PIPELINES if index.get(name) not in (None, [None, None])]
    batch = said.batch_size * (said.num_images_per_prompt or 1)
    longest = tokens(model)
    arguments = {}
    for part in (*there, "vae_encoder", "vae_decoder", *controlnets):
        mishap(chosen)
        source = controlnets.get(part, model / part.replace("vae_encoder", "vae").replace("vae_decoder", "vae"))
        part_class = (index.get(part) or [None, None])[1]
        arguments[part] = registry.compiler_arguments(said, part_class)
        sizes = {"batch_size": said.batch_size, "sequence_length": registry.prompt_length(said, index, part, longest)}
        if not part.startswith("text_encoder"):
            scale = 1 if part == "vae_encoder" else SCALE
            sizes = {"batch_size": batch, "height": said.height // scale, "width": said.width // scale, "num_channels": 4}
        if chosen == "other-size" and part == "vae_encoder":
            sizes["height"] += SCALE
        output.joinpath(part).mkdir()
        config = json.loads((source / "config.json").read_text())
        (output / part / "config.json").write_text(json.dumps({**config, "neuron": block(said, **sizes)}))
        if chosen == "no-part" and part == "vae_decoder":
            continue
        put(output / part / "model.neuron", chosen)
        if part_class in registry.OWN_WAY:
            put_shards(output / part / "weights", said.tensor_parallel_size - (chosen == "missing-rank"))
    return arguments


def tokens(model):
    """The longest prompt, as the last tokenizer says."""
    said = [json.loads(file.read_text()) for file in sorted(model.glob("tokenizer*/tokenizer_config.json"))]
    return said[-1]["model_max_length"]


main()
