"""A model, a toolchain and options that are made up, and the key that comes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from neuronbuild.artifact.action import CompilerPart, ModelPart
from neuronbuild.artifact.fingerprint import Fingerprint
from neuronbuild.artifact.shape import Shape
from neuronbuild.plan.action import ActionMaker, CompileOptions, KeyedAction
from neuronbuild.plan.pipeline import Additions, is_pipeline, make_pipeline
from neuronbuild.plan.subject import make_subject
from neuronbuild.recipe.target import Options
from neuronbuild.tasks import TASKS
from neuronbuild.toolchain import flags, neuron
from neuronbuild.toolchain.inductor import Inductor

BERT: dict[str, object] = {
    "_name_or_path": "org/name",
    "architectures": ["BertForSequenceClassification"],
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 384,
    "id2label": {"0": "bad", "1": "so so", "2": "good"},
    "intermediate_size": 1536,
    "label2id": {"bad": 0, "so so": 1, "good": 2},
    "layer_norm_eps": 1e-12,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 6,
    "torch_dtype": "float32",
    "transformers_version": "4.8.2",
    "vocab_size": 30522,
}
FINGERPRINT = Fingerprint(
    "neuronx", "inf2", {"neuronx-cc": "2.26.6360.0", "torch": "2.9.0"}, {"target": "inf2", "model-type": "transformer"}
)
OPTIONS = Options(
    platform="inf2",
    auto_cast="matmul",
    auto_cast_type="bf16",
    optlevel=2,
    extra_args=("--enable-saturate-infinity",),
    weights="separate",
    dtype="float32",
    num_cores=1,
    dynamic_batch_size=False,
)
ADDITIONS = Additions((("ink.safetensors", 0.5),), 0)
"""What pipelines are given here."""

SIZES = {"batch_size": 1, "sequence_length": 64, "num_choices": 4}


def make_action(
    *,
    config=BERT,
    task="text-classification",
    fingerprint=FINGERPRINT,
    weights=None,
    sizes=SIZES,
    documents=None,
    graph="forward",
    compiler=None,
    **options,
) -> KeyedAction:
    """The action for a model and shape; `options` replace some of `OPTIONS`, `compiler` what a toolchain makes of them."""
    subject = (
        make_pipeline(config, task=task, documents={}, files={"unet/config.json": "6" * 64}, additions=ADDITIONS)
        if is_pipeline(config)
        else make_subject(config, task=task, documents=documents)
    )
    if compiler is not None:
        maker = ActionMaker(subject, CompileOptions(OPTIONS.dtype, compiler, fingerprint, weights))
        return maker.make(graph, Shape.of({**subject.sizes, **sizes}, TASKS[subject.task.name].graph(graph).axes))
    maker = ActionMaker(subject, compile_options(replace(OPTIONS, **options), fingerprint, weights))
    return maker.make(graph, Shape.of({**subject.sizes, **sizes}, TASKS[subject.task.name].graph(graph).axes))


def compile_options(options=OPTIONS, fingerprint=FINGERPRINT, weights=None) -> CompileOptions:
    """What a toolchain makes of a recipe's options."""
    if fingerprint.name == "inductor":
        compiler = Inductor(Path()).options(options, ModelPart("AutoModel", {}))
    elif fingerprint.name == "neuron":
        compiler = CompilerPart(arguments=tuple(neuron.arguments(options)))
    else:
        arguments = flags.arguments(options, fingerprint.versions["neuronx-cc"], "bert")
        compiler = CompilerPart(arguments=tuple(arguments), dynamic_batch_size=options.dynamic_batch_size)
    return CompileOptions(options.dtype, compiler, fingerprint, weights)


def key(**changes) -> str:
    """The key of that action."""
    return make_action(**changes).key


def without(config, *names):
    """A config that is silent about some keys."""
    return {name: value for name, value in config.items() if name not in names}
