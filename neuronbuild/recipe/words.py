"""Words that a recipe or a call doesn't know: the nearest that it knows, and what optimum-neuron's words are here.

The tables hold the vocabulary of optimum-neuron's exporter, `from_pretrained` and `neuron_config.json` (0.4.5), as far as its
words aren't ours as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from neuronbuild.platforms import Platform

RENAMED = {
    "checkpoint_id": "model",
    "checkpoint_revision": "revision",
    "controlnet_ids": "controlnet",
    "data_type": "dtype",
    "device": "platforms",
    "float_dtype": "dtype",
    "inline_weights_neff": "weights",
    "inline_weights_to_neff": "weights",
    "instance_type": "platforms",
    "lora_adapter_names": "lora",
    "lora_model_ids": "lora",
    "lora_scales": "lora",
    "lora_weight_names": "lora",
    "max_batch_size": "batch_size",
    "max_context_length": "prefill_length",
    "max_input_length": "sequence_length",
    "max_length": "sequence_length",
    "max_seq_length": "sequence_length",
    "model_name": "model",
    "model_id": "model",
    "model_name_or_path": "model",
    "o1": "optlevel",
    "o2": "optlevel",
    "o3": "optlevel",
    "optimization_level": "optlevel",
    "platform": "platforms",
    "prefill_chunk_size": "prefill_length",
    "seq_len": "sequence_length",
    "target": "platforms",
    "tensor_parallel_size": "num_cores",
    "torch_dtype": "dtype",
    "tp_degree": "num_cores",
}
"""optimum-neuron's word for a thing, or one in common use, and ours."""

INLINE = "true is `inline`, false is `separate`"
LEVELS = {f"o{level}": f"-O{level} is {level}" for level in (1, 2, 3)}
ADAPTED = "a list, each with its `model`, `weights` and `scale`"

VALUES = {
    "inline_weights_neff": INLINE,
    "inline_weights_to_neff": INLINE,
    "lora_adapter_names": ADAPTED,
    "lora_model_ids": ADAPTED,
    "lora_scales": ADAPTED,
    "lora_weight_names": ADAPTED,
    **LEVELS,
}
"""What the values of such words are here, where they aren't the same."""

SPELLINGS = {
    "auto_cast": {"false": "none", "matmult": "matmul"},
    "auto_cast_type": {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"},
    "dtype": {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "half": "float16", "float": "float32"},
    "weights": {"true": "inline", "false": "separate"},
}
"""Values by names that other tools have for them, and ours."""

TOLD = "the model's config says it: leave it out"
OF_MODEL = "a release has the tokenizer and the processor of the model's files: leave it out"
LAID_OUT = "a release says where its files are: leave it out"
OUTPUTS = "a compiled graph gives its task's outputs only: leave it out"
CHECKED = "every build and release is compared with eager PyTorch: leave it out"
STORE = "the store is `cache` in neuronbuild.yaml, or --cache"
ADAPTERS = "image-prompt adapters aren't supported"
NO_SUCH = "no model that this would be for can be compiled"
UNET = "give the pipeline that holds this unet as `model`"
PUSH = "call push_to_hub() on what is loaded from the release"
LOGIN = "set HF_TOKEN"
TOOLS = "the toolchain says it; `sdk` in neuronbuild.yaml pins a release of the Neuron SDK"
CODE = "no code of a model is run: leave it out"
INF1 = "it has no effect in optimum-neuron either: leave it out"
GENERATES = "decoders are delegated to optimum-neuron as they are: leave it out"

REASONS = {
    "atol": CHECKED,
    "cache_dir": STORE,
    "cache_repo": STORE,
    "compiler_args": "its keys stand under `compiler`",
    "compiler_kwargs": "its keys stand under `compiler`",
    "compiler_type": TOOLS,
    "compiler_version": TOOLS,
    "compiler_workdir": "the compiler works in a folder that is removed afterwards: leave it out",
    "config": TOLD,
    "continuous_batching": GENERATES,
    "controlnet_file_name": LAID_OUT,
    "data_parallel_mode": "the card says how to load the release: leave it out",
    "decoder_file_name": LAID_OUT,
    "disable_fallback": INF1,
    "disable_fast_relayout": INF1,
    "disable_neuron_cache": f"what is compiled is always kept; {STORE}",
    "disable_validation": CHECKED,
    "do_validation": CHECKED,
    "encoder_file_name": LAID_OUT,
    "encoder_hidden_size": TOLD,
    "endpoint": "set HF_ENDPOINT",
    "ep_degree": GENERATES,
    "export": "a recipe is always compiled: leave it out",
    "exporter": "`toolchain: optimum` has optimum-neuron export the model; leave it out otherwise",
    "exporter_config_kwargs": "the task and the model type say it all: leave it out",
    "feature_extractor": OF_MODEL,
    "feature_size": TOLD,
    "file_name": LAID_OUT,
    "force_download": "what was downloaded is checked by digest: leave it out",
    "fused_qkv": GENERATES,
    "image_encoder_file_name": LAID_OUT,
    "image_encoder_shapes": TOLD,
    "image_processor": OF_MODEL,
    "image_size": "here it is `height` and `width`, under `shapes`",
    "input_shapes": "its keys stand under `shapes`",
    "int_dtype": "integers are int64: leave it out",
    "ip_adapter_args": ADAPTERS,
    "ip_adapter_id": ADAPTERS,
    "ip_adapter_scale": ADAPTERS,
    "ip_adapter_subfolder": ADAPTERS,
    "ip_adapter_weight_name": ADAPTERS,
    "library": TOLD,
    "library_name": TOLD,
    "load_weights": "a release is loaded with its weights: leave it out",
    "local_files_only": "set HF_HUB_OFFLINE=1",
    "lora_args": f"here it is `lora`: {ADAPTED}",
    "max_topk": GENERATES,
    "model_save_dir": "a release stays where it is; save_pretrained() copies it",
    "model_type": TOLD,
    "nb_max_frames": TOLD,
    "nb_points_per_image": NO_SUCH,
    "neuron_config": "a release says how it was compiled: leave it out",
    "neuronxcc_version": TOOLS,
    "on_device_sampling": GENERATES,
    "optimum_neuron_version": TOOLS,
    "output_attentions": OUTPUTS,
    "output_hidden_states": OUTPUTS,
    "patch_size": TOLD,
    "point_batch_size": NO_SUCH,
    "pp_degree": GENERATES,
    "private": PUSH,
    "push_to_hub": PUSH,
    "repo": PUSH,
    "repo_id": PUSH,
    "repository_id": PUSH,
    "rotary_axes_dim": TOLD,
    "save_directory": "a release's folder is named by `release.name`",
    "speculation_length": GENERATES,
    "subfolder": "name the folder itself in `model`",
    "submodels": UNET,
    "text_encoder_2_file_name": LAID_OUT,
    "text_encoder_file_name": LAID_OUT,
    "token": LOGIN,
    "tokenizer": OF_MODEL,
    "transformer_file_name": LAID_OUT,
    "trust_code": CODE,
    "trust_remote_code": CODE,
    "unet": UNET,
    "unet_file_name": LAID_OUT,
    "unet_id": UNET,
    "use_auth_token": LOGIN,
    "use_fast": OF_MODEL,
    "vae_decoder_file_name": LAID_OUT,
    "vae_encoder_file_name": LAID_OUT,
    "vae_scale_factor": TOLD,
    "visual_seq_length": TOLD,
}
"""Words that have no counterpart: what to do instead."""

TASK_WORDS = {
    "audio-ctc": "here it is automatic-speech-recognition",
    "auto": "leave `task` out: the model's config tells it",
    "automatic-speech-recognition-with-past": "here it is speech-seq2seq",
    "causal-lm": "here it is text-generation",
    "causal-lm-with-past": "here it is text-generation",
    "default": "here it is feature-extraction",
    "default-with-past": "here it is text-generation",
    "embedding": "here it is feature-extraction, or sentence-similarity",
    "feature-extraction-with-past": "here it is text-generation",
    "image-feature-extraction": "images alone give no features here: compile the model for zero-shot-image-classification",
    "image-text-to-text": "no model for it can be compiled",
    "latent-consistency": "here it is text-to-image",
    "mask-generation": "no model for it can be compiled",
    "masked-lm": "here it is fill-mask",
    "pretraining": "here it is feature-extraction",
    "sentence-transformers": "here it is sentence-similarity",
    "seq2seq-lm": "here it is text2text-generation",
    "seq2seq-lm-with-past": "here it is text2text-generation",
    "sequence-classification": "here it is text-classification",
    "speech2seq-lm": "here it is speech-seq2seq",
    "speech2seq-lm-with-past": "here it is speech-seq2seq",
    "stable-diffusion": "here it is text-to-image, image-to-image or inpainting",
    "stable-diffusion-xl": "here it is text-to-image, image-to-image or inpainting",
    "summarization": "here it is text2text-generation",
    "text-generation-with-past": "here it is text-generation",
    "text-to-speech": "no model for it can be compiled",
    "text2text-generation-with-past": "here it is text2text-generation",
    "translation": "here it is text2text-generation",
    "vision2seq-lm": "no model for it can be compiled",
    "zero-shot-classification": "here it is text-classification, of a model that was trained on NLI",
}
"""Tasks by names that other tools have for them."""

LONGEST_WORD = 80
"""Characters of a word that a message repeats. Comparing longer ones with others would take long, too."""

NEAR = 0.8
"""How alike a word is to one of another place if it is taken for it; one that is known here needs less."""


def unknown_word(kind: str, word: str, known: Iterable[str], elsewhere: Mapping[str, str] | None = None) -> str:
    """`unknown task 'fil-mask'; did you mean 'fill-mask'?`, or the list of what there is.

    `elsewhere` are words that aren't known here, each with what to do about it.
    """
    import difflib  # 6 ms to import, for errors only

    known, elsewhere = list(known), elsewhere or {}
    word = word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}…"
    plain = word.lower().lstrip("-").replace("-", "_").removeprefix("static_")
    told = next((elsewhere[each] for each in (word, word.lower(), plain) if each in elsewhere), None)
    kind_of = plain.partition(".")[0]  # of an instance: inf2.xlarge
    if told is None and kind_of != word and kind_of in known:
        told = f"did you mean {kind_of!r}?"
    if told is None:
        near = difflib.get_close_matches(word, known, n=1) or difflib.get_close_matches(word, elsewhere, n=1, cutoff=NEAR)
        told = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        if near and near[0] not in known:
            told += f" {elsewhere[near[0]]}"
    return f"unknown {kind} {word!r}; {told}"


def refuse_cast(kind: str, row: Platform) -> str:
    """What is said of a type that a platform's compiler can't cast to."""
    return f"auto_cast_type {kind} isn't supported on {row.name}; use {' or '.join(row.casts)}"
