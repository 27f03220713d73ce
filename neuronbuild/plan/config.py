"""The part of a model's config that decides a graph, in one form whoever saved it.

The worker builds the model from exactly this, so nothing that is left out here can shape the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronbuild.plan.derived import derive, respell
from neuronbuild.plan.family_defaults import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.tasks import Task

DROPPED = frozenset(
    {
        # who saved it, when, with what
        "_name_or_path", "_commit_hash", "transformers_version", "_diffusers_version", "auto_map", "custom_pipelines",
        "adapters", "name", "language", "total_flos",
        # names: their count is kept as num_labels where it matters
        "id2label", "label2id", "num_labels", "_num_labels", "architectures", "finetuning_task", "problem_type",
        "task_specific_params",
        # said elsewhere in an action
        "dtype", "torch_dtype", "use_bfloat16", "attn_implementation", "_attn_implementation",
        "_attn_implementation_autoset",
        # set by whoever calls the model
        "use_cache", "output_attentions", "output_hidden_states", "output_past", "return_dict", "use_return_dict",
        "torchscript",
        # of training only
        "gradient_checkpointing", "initializer_range", "initializer_factor", "initializer_cutoff_factor", "init_std",
        "embed_init_std", "layerdrop", "classifier_dropout_prob", "pad_index_loss", "sparse_prediction", "reference_compile",
        "apply_spec_augment", "mask_time_length", "mask_time_min_masks", "mask_feature_length", "mask_feature_min_masks",
        "ctc_loss_reduction", "ctc_zero_infinity", "contrastive_logits_temperature", "num_negatives", "diversity_loss_weight",
        "semantic_loss_ignore_index", "auxiliary_loss", "auxiliary_loss_weight", "class_cost", "bbox_cost", "giou_cost",
        "bbox_loss_coefficient", "giou_loss_coefficient", "eos_coefficient",
        # of a backbone, which other models make of this one
        "stage_names", "out_features", "out_indices",
        # of generation, in configs saved before generation_config.json
        "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty",
        "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores", "return_dict_in_generate",
        "forced_bos_token_id", "forced_eos_token_id", "forced_decoder_ids", "remove_invalid_values",
        "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "prefix", "tf_legacy_loss",
        "tokenizer_class",
    }
)  # fmt: skip
"""Keys that say nothing about a graph in evaluation mode."""

DROPPED_OF: dict[str, frozenset[str]] = {"whisper": frozenset({"mask_feature_prob", "mask_time_prob"})}
"""What says nothing in one family: others have a weight for what is masked in training, but only if something is."""

KEPT: dict[str, frozenset[str]] = {
    "audio-spectrogram-transformer": frozenset({"max_length"}),
    "esm": frozenset({"token_dropout"}),
}
"""What is kept for a family all the same: the length of its table of positions; that embeddings are scaled, in evaluation
too.
"""

LEGACY: dict[str, object] = {"position_embedding_type": "absolute", "pruned_heads": {}}
"""Values that say what transformers does today without being told; another value of these keys is kept."""

LEGACY_OF_PARTS: dict[str, object] = {
    **LEGACY,
    "add_cross_attention": False,
    "cross_attention_hidden_size": None,
    "decoder_start_token_id": None,
    "is_decoder": False,
    "sep_token_id": None,
    "tie_encoder_decoder": False,
    "tie_word_embeddings": True,
}
"""The same in configs within a config: older versions wrote all that they knew there."""


def is_dropped(key: str, family: str) -> bool:
    """Whether a key is left out. Dropout rates go by their name: in evaluation they do nothing."""
    if key in KEPT.get(family, ()):
        return False
    return key in DROPPED or key in DROPPED_OF.get(family, ()) or key.endswith(("dropout", "dropout_prob", "dropout_rate"))


def normalise_config(config: Mapping[str, object], task: Task) -> dict[str, object]:
    """Drop what decides nothing, write the family's defaults out, keep the number of labels where the task has labels.

    A null for a key that the family has no default for says what its absence says.
    """
    family = str(config["model_type"])
    defaults = DEFAULTS.get(family, {"model_type": family})
    result = _complete(respell(config), defaults, LEGACY)
    result = _derive(result, {key for key, value in result.items() if value is None and key not in defaults})
    if task.labels:
        result["num_labels"] = count_labels(config)
    return result


def whole_config(config: Mapping[str, object]) -> dict[str, object]:
    """A config of a family whose defaults nobody wrote down: all that it says, nulls too, but what decides nothing anywhere."""
    return {key: value for key, value in config.items() if not is_dropped(key, str(config["model_type"]))}


def _derive(config: dict[str, object], silent: set[str]) -> dict[str, object]:
    """A config with what follows from it, and without those nulls, unless what follows depends on one of them."""
    plain = {key: value for key, value in config.items() if key not in silent}
    derive(plain)
    if silent:
        derive(config)
    rest = {key: value for key, value in config.items() if key not in silent}
    return plain if not silent or rest == plain else config


def count_labels(config: Mapping[str, object]) -> int:
    """The number of labels of a classifier, as transformers counts them."""
    names = config.get("id2label")
    if isinstance(names, dict) and names:
        return len(names)
    stated = config.get("num_labels", config.get("_num_labels"))
    return stated if isinstance(stated, int) else 2


def _complete(config: Mapping[str, object], defaults: Mapping[str, object], legacy: Mapping[str, object]) -> dict[str, object]:
    result: dict[str, object] = dict(defaults)
    family = str(defaults["model_type"])
    for key, value in config.items():
        if not is_dropped(key, family) and not (key in legacy and value == legacy[key]):
            result[key] = _like(value, defaults.get(key))
    return result


def _like(value: object, default: object) -> object:
    """What a config says, in the form of its family's default: configs within it with their own defaults.

    An integer where the family has a float is that float: JSON writers differ on `1` and `1.0`.
    """
    if isinstance(default, dict) and "model_type" in default:
        part = {} if value is None else value
        return (
            _complete(part, default, LEGACY_OF_PARTS) | {"model_type": default["model_type"]}
            if isinstance(part, dict)
            else value
        )
    if isinstance(default, list) and isinstance(value, list | tuple):
        return [_like(each, default[0] if default else None) for each in value]
    return float(value) if isinstance(default, float) and type(value) is int else value
