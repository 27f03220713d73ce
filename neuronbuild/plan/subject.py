"""What is compiled, apart from shapes and options: a model's part in an action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.action import ModelPart
from neuronbuild.counts import counted
from neuronbuild.digest import canonical_json
from neuronbuild.plan.config import normalise_config, whole_config
from neuronbuild.plan.decoders import MOST_LAYERS
from neuronbuild.plan.sentences import leaves_prompts_out, make_steps
from neuronbuild.tasks import FAMILIES, TASKS, Family, Task, config_sizes, families_for, frames, infer_task
from neuronbuild.tasks.audio import AUDIO
from neuronbuild.tasks.checking import SettingError
from neuronbuild.tasks.exports import DECODING, DTYPES, exported_family, refusal
from neuronbuild.tasks.limits import longest_sequence, text_part
from neuronbuild.tasks.loaders import left_out, outputs_of
from neuronbuild.tasks.rotations import KNOWN as ROTATIONS
from neuronbuild.tasks.rotations import fixed_length, unknown_rotation
from neuronbuild.tasks.sentences import MODULES, POOLING_MASK, read_settings
from neuronbuild.tasks.table import SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

LAYERS = ("num_hidden_layers", "encoder_layers", "decoder_layers", "num_layers", "num_decoder_layers")
"""Where configs say how many layers there are. A billion would be compiled until the time limit."""


class SubjectError(ValueError):
    """A model that a task can't be compiled for; `key` is the recipe's key to blame."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Subject:
    """A task, a family, and the model's part of every action for it.

    `sizes` are those that its config decides, for axes that a recipe may leave out, and for dimensions that no axis decides;
    no axis of `fixed` can have another. `optional` are inputs that its graphs take besides those that all graphs of the task
    take. `dtype` is the checkpoint's where the tool that exports it goes by nothing else.
    """

    task: Task
    family: Family
    model: ModelPart
    sizes: dict[str, int]
    optional: tuple[str, ...] = ()
    dtype: str | None = None
    fixed: tuple[str, ...] = ()

    @property
    def left_out(self) -> frozenset[str]:
        """Inputs that optimum-neuron's classes never pass: graphs that they may load don't take them."""
        return left_out(self.task.name, self.family, self.model.config)

    @property
    def longest(self) -> int | None:
        """The longest sequence that the model can read, if its config says so."""
        return self.sizes.get(SEQUENCE)

    def misfit(self, axis: str, size: int) -> str | None:
        """Why the model can't be compiled for a size, if it can't."""
        step = self.task.multiples.get(axis, 1)
        if size % step:
            return f"{axis} must be a multiple of {step}, not {size}"
        if axis in self.fixed and self.sizes.get(axis, size) != size:
            return f"{axis} must be {self.sizes[axis]}, as the tokenizer says: the exporter compiles for no other; leave it out"
        if axis == SEQUENCE and self.longest is not None and size > self.longest:
            return self._too_long(size)
        if axis == AUDIO and self.sizes.get(AUDIO, size) != size:
            return f"{axis} must be {self.sizes[AUDIO]}: this model reads features of just so many frames"
        if axis == AUDIO and frames(size, self.model.config) == 0:
            return f"{axis} {size} is too short: this model's convolutions leave no frame of it"
        return None

    def _too_long(self, size: int) -> str:
        """Why a sequence is too long: for the model's table of positions, or for its rotary embeddings."""
        most = counted(self.longest or 0, "token")
        if fixed_length(self.model.config) == self.longest:
            change = "beyond which its rotary embeddings (longrope, dynamic) take other frequencies"
            return f"{SEQUENCE} {size} is longer than this model can be compiled for: {most}, {change}"
        return f"{SEQUENCE} {size} is longer than this model can read: {most}"


def make_subject(
    config: Mapping[str, object],
    *,
    task: str | None,
    documents: Mapping[str, object] | None = None,
    code: Mapping[str, str] | None = None,
    delegated: str = "",
) -> Subject:
    """Find the task if it isn't given, and check that the model can do it.

    `documents` are the contents of a sentence-transformers model's JSON files by path, `code` the digests of Python files that
    the model brings along. `delegated` is the recipe's key by which another tool is to export it, if one is.

    Raises:
        SubjectError: the task can't be told, or this model type isn't supported for it.
    """
    if "auto_map" in config:
        raise SubjectError("model", "it brings Python code of its own; this version compiles transformers' own classes only")
    if task is not None and not TASKS[task].graphs:
        raise SubjectError("model", f"{task} is done by pipelines of diffusers, and this model is none: no model_index.json")
    names = _architectures(config)
    family, chosen = _family_and_task(config, task, documents or {}, delegated)
    listed = family.model_type in FAMILIES
    normal = normalise_config(config, chosen) if listed else whole_config(config)
    if family.variants:
        normal["architectures"] = [name for name in names if name in family.variants]
    _refuse_strange(normal)
    steps: list[dict[str, object]] | None = None
    if chosen.name == "sentence-similarity":
        steps = _sentence_steps(documents or {}, {**normal, "architectures": names})
    optional = (POOLING_MASK,) if steps is not None and leaves_prompts_out(steps) else ()
    model = ModelPart(
        chosen.auto_class,
        normal,
        tuple(outputs_of(chosen)),
        family.attention,
        family.no_types,
        None if steps is None else tuple(steps),
        dict(code) if code else None,
    )
    dtype = _stated_dtype(config) if delegated and chosen.name in DECODING else None
    return Subject(chosen, family, model, _sizes(normal, family), optional, dtype)


def _family_and_task(
    config: Mapping[str, object], task: str | None, documents: Mapping[str, object], delegated: str
) -> tuple[Family, Task]:
    """A model's type, and the task that it is for.

    Raises:
        SubjectError: the task can't be told, or the type isn't supported for it: here, or by the tool that is to export it.
    """
    model_type = str(config["model_type"])
    family = exported_family(model_type) if delegated else FAMILIES.get(model_type)
    chosen = _task(_architectures(config), task, family, documents)
    if family is not None and chosen.name not in family.tasks:
        chosen = next((TASKS[name] for name in family.tasks if TASKS[name].tag == chosen.pipeline_tag), chosen)
    if family is not None and chosen.name in family.tasks:
        return family, chosen
    if delegated:
        raise SubjectError(delegated, refusal(model_type, chosen.name) or "")
    able = ", ".join(families_for(chosen.name))
    problem = f"model type {model_type!r} isn't supported for {chosen.name}; supported: {able}"
    exported = chosen.delegated is not None and refusal(model_type, chosen.name) is None
    advice = "; `toolchain: optimum` has optimum-neuron export it for inf2 and Trainium" if exported else ""
    raise SubjectError("model", problem + advice)


def _stated_dtype(config: Mapping[str, object]) -> str:
    """The dtype that a decoder's config says, which is all that its exporter looks at.

    Raises:
        SubjectError: it says none, or one that nothing is compiled in.
    """
    stated = config.get("dtype") or config.get("torch_dtype")
    if stated is None:
        problem = "its config.json says no dtype, and optimum-neuron goes by that alone for a decoder"
        raise SubjectError("model", f"{problem}; write the dtype of its weights there (`dtype`)")
    if stated not in DTYPES:
        known = ", ".join(DTYPES)
        raise SubjectError("model", f"its config.json says dtype {stated!r}; decoders are exported in {known}")
    return str(stated)


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


def _task(names: list[str], task: str | None, family: Family | None, documents: Mapping[str, object]) -> Task:
    able = family.tasks if family else ()
    found = task or infer_task(names, able, sentence_transformers=MODULES in documents)
    if found is None:
        raise SubjectError(
            "model", f"the task can't be told from the config (architectures: {names}); set `task`: {', '.join(TASKS)}"
        )
    return TASKS[found]


def _sentence_steps(documents: Mapping[str, object], config: Mapping[str, object]) -> list[dict[str, object]]:
    """What follows the transformer, once all that the model's files say is understood."""
    try:
        read_settings(documents)
        return make_steps(documents, config)
    except SettingError as error:
        raise SubjectError("task", f"{error}; use task feature-extraction") from None


def _sizes(config: Mapping[str, object], family: Family) -> dict[str, int]:
    longest = longest_sequence(text_part(config), family.positions)
    return config_sizes(config) | ({} if longest is None else {SEQUENCE: longest})
