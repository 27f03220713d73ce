"""What optimum-neuron 0.4.5 has models and exporter configs for, as far as whole models go, and where it stops at others.

`tests/tools/optimum_exporter.py` compares it with the real one.
"""

from __future__ import annotations

CAUSAL = ("granite", "llama", "llama4_text", "mixtral", "phi3", "qwen2", "qwen3", "qwen3_moe", "smollm3")
DECODERS = {*((name, "text-generation") for name in CAUSAL), ("qwen3", "feature-extraction")}
TRACED = {"t5-encoder": "text2text-generation", "whisper-encoder": "automatic-speech-recognition"}
DTYPES = ("float32", "bfloat16", "float16", "float64")
OWN_WAY = ("T5EncoderModel", "FluxTransformer2DModel")
TAKES_LENGTHS = ("FluxPipeline", "FluxKontextPipeline")


def decoder_config(config, task):
    """The config of the decoder that is made of a model, with its dtype; `None` where there is no model class for it."""
    config = config.get("text_config", config) if task == "text-generation" else config
    if (config["model_type"], task) not in DECODERS:
        return None
    dtype = config.get("dtype") or config.get("torch_dtype")
    if dtype not in DTYPES:
        raise ValueError(f"Unable to find `{dtype}` in the dtype mapping, valid values are {list(DTYPES)}.")
    return {**config, "dtype": dtype}


def refuse_unknown(config, task):
    """Stop where `TasksManager` has no config for a model's encoder; graphs that stand alone aren't doubled."""
    name = f"{config['model_type']}-encoder"
    if TRACED.get(name) != task:
        raise KeyError(f"{name} is not supported yet for transformers. Only {sorted(TRACED)} are supported by this double.")


def refuse_cores(config, beams, part):
    """Stop where a model over several cores can't be traced."""
    if config["model_type"] == "whisper":
        raise AttributeError("'str' object has no attribute 'config'")
    if part == "decoder" and beams > 1:
        raise RuntimeError("_share_filename_: only available on CPU")


def compiler_arguments(said, part_class):
    """What a part of a pipeline is compiled with: for models of its own, the same whatever is said."""
    if part_class == "T5EncoderModel" and said.instance_type == "trn2":
        raise AttributeError("config")
    if part_class in OWN_WAY:
        return "--model-type=transformer -O1 --auto-cast=none"
    cast = (
        f"--auto-cast {said.auto_cast} --auto-cast-type {said.auto_cast_type}"
        if said.auto_cast != "none"
        else "--auto-cast none"
    )
    return f"{cast} --optlevel {said.optlevel or '2'} --target {said.instance_type}"


def prompt_length(said, index, part, longest):
    """How long prompts are in a part: with two text encoders as the tokenizers say, but for Flux's second."""
    two = index.get("text_encoder_2") not in (None, [None, None])
    asked = said.sequence_length or longest
    if part == "text_encoder":
        return longest if two else asked
    if part == "text_encoder_2":
        return asked if index["_class_name"] in TAKES_LENGTHS else longest
    return asked
