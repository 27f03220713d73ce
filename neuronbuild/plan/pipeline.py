"""A pipeline of diffusers as the subject of actions. Another tool exports it whole, and all that this reads is in the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.artifact.action import Lora, ModelPart
from neuronbuild.plan.config import normalise_config
from neuronbuild.plan.subject import Subject, SubjectError
from neuronbuild.tasks import PIPELINES, TASKS
from neuronbuild.tasks.table import SEQUENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKENIZERS = ("tokenizer_2/tokenizer_config.json", "tokenizer/tokenizer_config.json")
"""Where it stands how long a prompt may be: the second encoder's word counts, if there are two."""

LONGEST = 1 << 20
"""Tokenizers without a bound say an astronomical one."""

SECOND = "text_encoder_2"
"""With a second text encoder, prompts are as long as the tokenizers say, whatever the exporter is told."""

INDEX = "model_index.json"
UNREAD = ("LICENSE", "NOTICE")
"""Beginnings of the names of files that the exporter has no use for."""


@dataclass(frozen=True, slots=True)
class Additions:
    """What a pipeline is given besides its own parts: LoRAs by file of weights and scale, and how many ControlNets."""

    lora: tuple[tuple[str, float], ...] = ()
    controlnets: int = 0


def is_pipeline(config: Mapping[str, object]) -> bool:
    """Whether a config is that of a pipeline, whose class stands for its model type."""
    return "_class_name" in config


def make_pipeline(
    config: Mapping[str, object],
    *,
    task: str | None,
    documents: Mapping[str, object],
    files: Mapping[str, str],
    additions: Additions,
) -> Subject:
    """Check that optimum-neuron has a class for the pipeline and the task, by default the pipeline's first.

    `documents` are the contents of tokenizers' configs by path, `files` the digests of all files but weights.

    Raises:
        SubjectError: it has none.
    """
    pipeline = PIPELINES.get(str(config["model_type"]))
    if pipeline is None:
        problem = f"optimum-neuron doesn't export a {config['model_type']}; it exports {', '.join(PIPELINES)}"
        raise SubjectError("model", problem)
    chosen = task or next(iter(pipeline.loaders))
    if chosen not in pipeline.loaders:
        problem = f"a {pipeline.name} isn't exported for {chosen}; it is for {', '.join(pipeline.loaders)}"
        raise SubjectError("task", problem)
    if additions.controlnets and chosen not in pipeline.with_controlnets:
        able = [f"{name} ({', '.join(each.with_controlnets)})" for name, each in PIPELINES.items() if each.with_controlnets]
        problem = f"optimum-neuron takes no ControlNet for {chosen} by a {pipeline.name}; it does for {', '.join(able)}"
        raise SubjectError("controlnet", problem)
    row = TASKS[chosen]
    model = ModelPart(
        row.auto_class,
        normalise_config(config, row),
        controlnets=additions.controlnets,
        files={path: sha256 for path, sha256 in files.items() if path != INDEX and not path.startswith(UNREAD)},
        lora=tuple(Lora(weights, float(scale)) for weights, scale in additions.lora),
    )
    fixed = (SEQUENCE,) if config.get(SECOND) not in (None, [None, None]) and not pipeline.takes_lengths else ()
    return Subject(row, pipeline.family, model, _sizes(documents), fixed=fixed)


def _sizes(documents: Mapping[str, object]) -> dict[str, int]:
    """How long prompts are, as the tokenizer that the exporter would ask says it."""
    for path in TOKENIZERS:
        said = documents.get(path)
        length = said.get("model_max_length") if isinstance(said, dict) else None
        if type(length) is int and 0 < length < LONGEST:
            return {SEQUENCE: length}
    return {}
