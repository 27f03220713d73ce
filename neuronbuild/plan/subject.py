"""What is compiled, apart from shapes and options: a model's part in an action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.digest import canonical_json
from neuronbuild.plan.config import normalise_config
from neuronbuild.plan.decoders import MOST_LAYERS
from neuronbuild.plan.rotations import KNOWN as ROTATIONS
from neuronbuild.plan.rotations import fixed_length, unknown_rotation
from neuronbuild.tasks import FAMILIES, TASKS, Family, Task, config_sizes, families_for, frames, infer_task
from neuronbuild.tasks.audio import AUDIO
from neuronbuild.tasks.table import SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

SENTENCE_MODULES = "modules.json"

POOLING_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""sentence-transformers' keys in a Pooling module's config.json, and our words for them."""

LENGTHS = ("max_position_embeddings", "n_positions", "max_target_positions")
"""Keys under which families say how many tokens they can read."""

UNSUPPORTED_POOLING = "weightedmean"

LAYERS = ("num_hidden_layers", "encoder_layers", "decoder_layers", "num_layers", "num_decoder_layers")
"""Where configs say how many layers there are. A billion would be compiled until the time limit."""


class SubjectError(ValueError):
    """A model that a task can't be compiled for; `key` is the recipe's key to blame."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Subject:
    """A task, a family, and the model's document as it stands in every action for it.

    `sizes` are those that its config decides, for axes that a recipe may leave out, and for dimensions that no axis decides.
    """

    task: Task
    family: Family
    document: dict[str, object]
    sizes: dict[str, int]

    @property
    def longest(self) -> int | None:
        """The longest sequence that the model can read, if its config says so."""
        return self.sizes.get(SEQUENCE)

    @property
    def _bound(self) -> str:
        """What bounds the longest sequence, where it isn't the model's own length, as the end of a sentence."""
        config = self.document["config"]
        fixed = fixed_length(config) if isinstance(config, dict) else None
        return (
            ", beyond which its rotary embeddings (longrope, dynamic) take other frequencies" if fixed == self.longest else ""
        )

    def misfit(self, axis: str, size: int) -> str | None:
        """Why the model can't be compiled for a size, if it can't."""
        step = self.task.multiples.get(axis, 1)
        if size % step:
            return f"{axis} must be a multiple of {step}, not {size}"
        if axis == SEQUENCE and self.longest is not None and size > self.longest:
            return f"{axis} {size} is longer than this model can be compiled for: {self.longest} tokens{self._bound}"
        if axis == AUDIO and self.sizes.get(AUDIO, size) != size:
            return f"{axis} must be {self.sizes[AUDIO]}: this model reads features of just so many frames"
        config = self.document["config"]
        if axis == AUDIO and isinstance(config, dict) and frames(size, config) == 0:
            return f"{axis} {size} is too short: this model's convolutions leave no frame of it"
        return None


def pooling_file(modules: Mapping[str, object] | None) -> str | None:
    """Path of the pooling module's config, as a sentence-transformers model's `modules.json` names it."""
    for module in _modules(modules):
        if _kind(module) == "Pooling":
            return f"{module.get('path')}/config.json"
    return None


def make_subject(
    config: Mapping[str, object],
    *,
    task: str | None,
    modules: Mapping[str, object] | None = None,
    pooling: Mapping[str, object] | None = None,
    code: Mapping[str, str] | None = None,
) -> Subject:
    """Find the task if it isn't given, and check that the model can do it.

    `modules` and `pooling` are the contents of a sentence-transformers model's files, `code` the digests of Python files
    that the model brings along.

    Raises:
        SubjectError: the task can't be told, or this model type isn't supported for it.
    """
    if "auto_map" in config:
        raise SubjectError("model", "it brings Python code of its own; this version compiles transformers' own classes only")
    family = FAMILIES.get(str(config["model_type"]))
    if task is not None and not TASKS[task].graphs:
        raise SubjectError("model", f"{task} is done by pipelines of diffusers, and this model is none: no model_index.json")
    names = _architectures(config)
    chosen = _task(names, task, family, modules)
    if family is not None and chosen.name not in family.tasks:
        chosen = next((TASKS[name] for name in family.tasks if TASKS[name].tag == chosen.pipeline_tag), chosen)
    if family is None or chosen.name not in family.tasks:
        able = ", ".join(families_for(chosen.name))
        raise SubjectError("model", f"model type {config['model_type']!r} isn't supported for {chosen.name}; supported: {able}")
    normal = normalise_config(config, chosen)
    if family.variants:
        normal["architectures"] = [name for name in names if name in family.variants]
    document: dict[str, object] = {
        "auto_class": chosen.auto_class,
        "outputs": list(dict.fromkeys(name for graph in chosen.graphs for name in graph.outputs)),
        "config": normal,
        "attention": family.attention,
    }
    _refuse_strange(normal)
    if chosen.name == "sentence-similarity":
        document["pooling"] = _pooling(modules, pooling)
    if code:
        document["code"] = dict(code)
    return Subject(chosen, family, document, _sizes(normal, family))


def _refuse_strange(config: dict[str, object]) -> None:
    """Stop at values that no key can hold, at unknown rotary embeddings, and at more layers than could ever be compiled.

    Raises:
        SubjectError: the config has such.
    """
    rotation = unknown_rotation(config)
    if rotation is not None:
        known = ", ".join(ROTATIONS)
        raise SubjectError("model", f"its config says rope_type {rotation!r}, which is not known; known: {known}")
    for key, value in config.items():
        try:
            canonical_json({key: value})
        except (ValueError, RecursionError) as error:
            raise SubjectError("model", f"its config can't be used: {key!a:.80} holds {_fault(error)}") from None
        if key in LAYERS and isinstance(value, int) and value > MOST_LAYERS:
            raise SubjectError("model", f"its config says {key}: {value:,}; at most {MOST_LAYERS:,} are compiled")


def _fault(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "half a character"
    return "too deep a tree" if isinstance(error, RecursionError) else "a number that isn't finite"


def _architectures(config: Mapping[str, object]) -> list[str]:
    stated = config.get("architectures")
    return [str(name) for name in stated] if isinstance(stated, list) else []


def _task(names: list[str], task: str | None, family: Family | None, modules: Mapping[str, object] | None) -> Task:
    able = family.tasks if family else ()
    found = task or infer_task(names, able, sentence_transformers=modules is not None)
    if found is None:
        raise SubjectError(
            "model", f"the task can't be told from the config (architectures: {names}); set `task`: {', '.join(TASKS)}"
        )
    return TASKS[found]


def _pooling(modules: Mapping[str, object] | None, config: Mapping[str, object] | None) -> dict[str, object]:
    """Pooling and normalisation of sentence embeddings; plain models get the mean, as sentence-transformers does."""
    if modules is None:
        return {"mode": "mean", "normalize": False}
    kinds = [_kind(module) for module in _modules(modules)]
    strange = [kind for kind in kinds if kind not in {"Transformer", "Pooling", "Normalize"}]
    if strange:
        raise SubjectError(
            "task", f"module {strange[0]!r} of sentence-transformers isn't supported; use task feature-extraction"
        )
    chosen = _pooling_modes(config or {})
    if len(chosen) != 1 or chosen[0] not in POOLING_MODES.values() or chosen[0] == UNSUPPORTED_POOLING:
        modes = ", ".join(chosen) or "none that is known"
        raise SubjectError("task", f"one pooling mode is supported, the model has {modes}; use task feature-extraction")
    return {"mode": chosen[0], "normalize": "Normalize" in kinds}


def _pooling_modes(config: Mapping[str, object]) -> list[str]:
    """Modes by our words. Newer sentence-transformers write one key with a name or a list of names."""
    stated = config.get("pooling_mode")
    if stated is None:
        return [mode for key, mode in POOLING_MODES.items() if config.get(key)]
    names = stated if isinstance(stated, list) else [stated]
    return [str(name).removesuffix("_tokens") for name in names]


def _modules(modules: Mapping[str, object] | None) -> list[dict[str, object]]:
    listed = (modules or {}).get("", [])
    return [module for module in listed if isinstance(module, dict)] if isinstance(listed, list) else []


def _kind(module: Mapping[str, object]) -> str:
    return str(module.get("type", "")).rpartition(".")[2]


def _sizes(config: Mapping[str, object], family: Family) -> dict[str, int]:
    part = config.get("text_config")
    words = part if isinstance(part, dict) else config
    stated = next((words[key] for key in LENGTHS if key in words), None)
    longest = {SEQUENCE: stated - family.positions} if isinstance(stated, int) and family.positions is not None else {}
    fixed = fixed_length(words)
    if fixed is not None:
        longest[SEQUENCE] = min(fixed, longest.get(SEQUENCE, fixed))
    return config_sizes(config) | longest
