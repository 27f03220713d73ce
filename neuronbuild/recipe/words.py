"""Words that a recipe or a call doesn't know: the nearest that it knows, and what optimum-neuron's words are here.

The tables hold the vocabulary of optimum-neuron's exporter, `from_pretrained` and `neuron_config.json` (0.4.5), as far as its
words aren't ours as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    "model_id": "model",
    "model_name_or_path": "model",
    "platform": "platforms",
    "prefill_chunk_size": "prefill_length",
    "seq_len": "sequence_length",
    "target": "platforms",
    "tensor_parallel_size": "num_cores",
    "torch_dtype": "dtype",
    "tp_degree": "num_cores",
}
"""optimum-neuron's word for a thing, or one in common use, and ours."""

TOLD = "the model's config says it: leave it out"
OUTPUTS = "a compiled graph gives its task's outputs only: leave it out"
CHECKED = "every build and release is compared with eager PyTorch: leave it out"
STORE = "the store is `cache` in neuronbuild.yaml, or --cache"
ADAPTERS = "image-prompt adapters aren't supported"
TOOLS = "the toolchain says it; `sdk` in neuronbuild.yaml pins a release of the Neuron SDK"
CODE = "no code of a model is run: leave it out"
INF1 = "it has no effect in optimum-neuron either: leave it out"
GENERATES = "decoders are delegated to optimum-neuron as they are: leave it out"

REASONS = {
    "atol": CHECKED,
    "cache_dir": STORE,
    "cache_repo": STORE,
    "compiler_type": TOOLS,
    "compiler_version": TOOLS,
    "compiler_workdir": "the compiler works in a folder that is removed afterwards: leave it out",
    "disable_fallback": INF1,
    "disable_fast_relayout": INF1,
    "disable_neuron_cache": f"what is compiled is always kept; {STORE}",
    "disable_validation": CHECKED,
    "continuous_batching": GENERATES,
    "do_validation": CHECKED,
    "encoder_hidden_size": TOLD,
    "ep_degree": GENERATES,
    "export": "a recipe is always compiled: leave it out",
    "force_download": "what was downloaded is checked by digest: leave it out",
    "fused_qkv": GENERATES,
    "image_size": "here it is `height` and `width`, under `shapes`",
    "int_dtype": "integers are int64: leave it out",
    "ip_adapter_id": ADAPTERS,
    "ip_adapter_scale": ADAPTERS,
    "ip_adapter_subfolder": ADAPTERS,
    "ip_adapter_weight_name": ADAPTERS,
    "library": TOLD,
    "library_name": TOLD,
    "local_files_only": "set HF_HUB_OFFLINE=1",
    "max_topk": GENERATES,
    "neuronxcc_version": TOOLS,
    "on_device_sampling": GENERATES,
    "optimum_neuron_version": TOOLS,
    "output_attentions": OUTPUTS,
    "output_hidden_states": OUTPUTS,
    "patch_size": TOLD,
    "pp_degree": GENERATES,
    "push_to_hub": "call push_to_hub() on what is loaded from the release",
    "repo": "call push_to_hub() on what is loaded from the release",
    "repository_id": "call push_to_hub() on what is loaded from the release",
    "rotary_axes_dim": TOLD,
    "speculation_length": GENERATES,
    "subfolder": "name the folder itself in `model`",
    "token": "set HF_TOKEN",
    "trust_code": CODE,
    "unet": "give the pipeline that holds this unet as `model`",
    "use_auth_token": "set HF_TOKEN",
    "vae_scale_factor": TOLD,
}
"""Words that have no counterpart: what to do instead."""

TASK_WORDS = {
    "auto": "leave `task` out: the model's config tells it",
    "causal-lm": "here it is text-generation",
    "default": "here it is feature-extraction",
    "embedding": "here it is feature-extraction, or sentence-similarity",
    "masked-lm": "here it is fill-mask",
    "sentence-transformers": "here it is sentence-similarity",
    "seq2seq-lm": "here it is text2text-generation",
    "sequence-classification": "here it is text-classification",
    "stable-diffusion": "here it is text-to-image, image-to-image or inpainting",
    "stable-diffusion-xl": "here it is text-to-image, image-to-image or inpainting",
    "summarization": "here it is text2text-generation",
    "text-generation-with-past": "here it is text-generation",
    "translation": "here it is text2text-generation",
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
    plain = word.lower().replace("-", "_").removeprefix("static_")
    told = next((elsewhere[each] for each in (word, word.lower(), plain) if each in elsewhere), None)
    if told is None and plain != word and plain in known:
        told = f"did you mean {plain!r}?"
    if told is None:
        near = difflib.get_close_matches(word, known, n=1) or difflib.get_close_matches(word, elsewhere, n=1, cutoff=NEAR)
        told = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        if near and near[0] not in known:
            told += f" {elsewhere[near[0]]}"
    return f"unknown {kind} {word!r}; {told}"
