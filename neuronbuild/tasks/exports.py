"""What optimum-neuron's exporter takes whole: model types by task and by version, and what it does with them. Plain data.

From its registry of decoders and from `TasksManager`; `tests/tools/optimum_exporter.py` compares 0.4.5 with the real one.
Pipelines of diffusers are in `pipelines`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neuronbuild.tasks.catalog import TASKS
from neuronbuild.tasks.families import FAMILIES, Family

if TYPE_CHECKING:
    from collections.abc import Mapping

GENERATION, EMBEDDING = "text-generation", "feature-extraction"

DECODING = (GENERATION, EMBEDDING)
"""Tasks that it does by models of its own, made from the checkpoint's config: in the dtype that stands there."""

DTYPES = ("float32", "bfloat16", "float16")

DECODERS = ("granite", "llama", "llama4_text", "mixtral", "phi3", "qwen2", "qwen3", "qwen3_moe", "smollm3")
"""Not `llama4`: of a model of texts and images it compiles the text part, and leaves out the weights, which it would look for
under that part's own name.
"""

FIRST = "0.4.5"


@dataclass(frozen=True, slots=True)
class Exports:
    """One version: model types by task, and whether T5 with beams can be spread over cores."""

    models: Mapping[str, tuple[str, ...]]
    beams_over_cores: bool


EXPORTS: dict[str, Exports] = {
    FIRST: Exports(
        {
            GENERATION: DECODERS,
            EMBEDDING: ("qwen3",),
            "text2text-generation": ("t5",),
            "speech-seq2seq": ("whisper",),
        },
        beams_over_cores=False,
    ),
}
EXPORTS["0.4.7"] = Exports(
    {**EXPORTS[FIRST].models, GENERATION: tuple(sorted((*DECODERS, "gemma3_text")))}, beams_over_cores=True
)
"""The oldest first. Versions between two are as the older one. 0.4.7 is what its branch says: it isn't released."""


def exports_of(version: str) -> Exports:
    """What a version does, by the newest row that isn't newer."""
    rows = [row for name, row in EXPORTS.items() if _numbers(name) <= _numbers(version)]
    return rows[-1] if rows else EXPORTS[FIRST]


def _numbers(version: str) -> tuple[int, ...]:
    """The three numbers of a version; `0.4.7.dev0` counts as 0.4.7."""
    return tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())


def refusal(model_type: str, task: str, version: str | None = None) -> str | None:
    """Why the exporter doesn't take a model type for a task, if it doesn't: this version, or any that is known."""
    rows = EXPORTS.values() if version is None else (exports_of(version),)
    able = {name for row in rows for name in row.models.get(task, ())}
    if not able:
        return unused(task)
    if model_type in able:
        return None
    exporter = "optimum-neuron" if version is None else f"optimum-neuron {version}"
    return f"{exporter} doesn't export {model_type} for {task}, only {', '.join(sorted(able))}; leave this out"


def unused(task: str) -> str:
    """What is told of a task that the exporter isn't used for."""
    tasks = ", ".join(name for name, each in TASKS.items() if each.delegated)
    return f"optimum-neuron isn't used for {task}, only for {tasks}; leave this out"


def exported_family(model_type: str) -> Family:
    """A model type as the exporter sees it: with the tasks that it does, and without any where it doesn't know it."""
    tasks = tuple(task for task in EXPORTS[FIRST].models if refusal(model_type, task) is None)
    return replace(FAMILIES.get(model_type, Family(model_type, ())), tasks=tasks)
