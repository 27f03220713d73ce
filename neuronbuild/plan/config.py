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
        "_name_or_path", "_commit_hash", "transformers_version", "auto_map", "custom_pipelines", "adapters",
        "name", "language", "total_flos",
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
        # of generation, in configs saved before generation_config.json
        "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty",
        "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores", "return_dict_in_generate",
        "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty",
        "suppress_tokens", "begin_suppress_tokens", "prefix", "tf_legacy_loss", "tokenizer_class",
    }
)  # fmt: skip
"""Keys that say nothing about a graph in evaluation mode."""

KEPT = frozenset({"token_dropout"})
"""Not a rate: it has ESM scale its embeddings, in evaluation too."""

LEGACY: dict[str, object] = {"position_embedding_type": "absolute", "pruned_heads": {}}
"""Values that say what transformers does today without being told; another value of these keys is kept."""


def is_dropped(key: str) -> bool:
    """Whether a key is left out. Dropout rates go by their name: in evaluation they do nothing."""
    return key in DROPPED or (key.endswith(("dropout", "dropout_prob", "dropout_rate")) and key not in KEPT)


def normalise_config(config: Mapping[str, object], task: Task) -> dict[str, object]:
    """Drop what decides nothing, write the family's defaults out, keep the number of labels where the task has labels."""
    defaults = DEFAULTS[str(config["model_type"])]
    result: dict[str, object] = dict(defaults)
    for key, value in respell(config).items():
        if not is_dropped(key) and not (key in LEGACY and value == LEGACY[key]):
            result[key] = _like(value, defaults.get(key))
    derive(result)
    if task.labels:
        result["num_labels"] = count_labels(config)
    return result


def count_labels(config: Mapping[str, object]) -> int:
    """The number of labels of a classifier, as transformers counts them."""
    names = config.get("id2label")
    if isinstance(names, dict) and names:
        return len(names)
    stated = config.get("num_labels", config.get("_num_labels"))
    return stated if isinstance(stated, int) else 2


def _like(value: object, default: object) -> object:
    """An integer where the family has a float is that float: JSON writers differ on `1` and `1.0`."""
    return float(value) if isinstance(default, float) and type(value) is int else value
