"""From an action's document to the module that is traced, with its example inputs and its weights.

The model comes from the document's config alone. Its weights are seeded random numbers: no value of them may shape the
graph, and a zero bias or a scale of one could, so every parameter is shaken.
"""

from __future__ import annotations

import contextlib
import math
import typing
from collections.abc import Iterator, Mapping, Sequence

import torch
import transformers

from . import forms, heads, model_patches, noise
from .contract import Action, TensorSpec
from .errors import UserError, one_line
from .probes import Probe

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

DTYPE = "dtype" if tuple(int(part) for part in transformers.__version__.split(".")[:2]) >= (4, 56) else "torch_dtype"
"""transformers' word for the dtype to make a model in."""

MASKED_TAIL = 3
"""Tokens at the end of the last row of the example inputs that the attention mask leaves out."""

MASK = "attention_mask"

PADDINGS = ("none", "right", "left")
"""Where rows of a probe are padded, in turn."""

MODELLING = ("PreTrainedModel", "GenerationMixin")
"""Classes below all models: with their modules come nearly all that a model imports."""

Named = dict[str, torch.Tensor]
"""Tensors by the name of an input, state or output."""


def import_models() -> None:
    """Import what transformers' models have in common: transformers itself imports nothing until a name of it is asked for."""
    for name in MODELLING:
        getattr(transformers, name)


class Graph(torch.nn.Module):
    """A transformers model as a function of positional tensors to a tuple of tensors.

    `states` are tensors of a cache that follow the inputs, by name: the function updates them in place.
    """

    def __init__(self, model: torch.nn.Module, action: Action) -> None:
        super().__init__()
        self.model = model
        self.action = action
        self.input_names = [entry["name"] for entry in action["inputs"]]
        self.wanted = action["model"]["outputs"]
        self.cast = cast_of(action)
        self.dtype = weight_dtype(action)
        self.widen = action["compiler"].get("auto_cast", "none") != "none"
        self.output_names: list[str] = []
        self.states: dict[str, tuple[int, ...]] = {}

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Outputs in the order of the action's list, those that this model has."""
        given = dict(zip([*self.input_names, *self.states], tensors))
        with model_patches.fixed_rotations(self.model), self.forms():
            if self.cast is None:
                found = self._run_in_dtype(given)
            else:
                with torch.autocast("cpu", dtype=self.cast):
                    found = self._run_in_dtype(given)
        results = [found[name] for name in self.output_names]
        return tuple(value.float() for value in results) if self.widen else tuple(results)

    def forms(self) -> contextlib.AbstractContextManager[object]:
        """What writes operators in other forms where the toolchain's tracer needs it."""
        return forms.LowerableForms() if self.action["toolchain"]["name"] == "neuronx" else contextlib.nullcontext()

    def _run_in_dtype(self, given: Named) -> Named:
        """Outputs by name; floating-point inputs are converted to the dtype of the weights."""
        for name in self.input_names:
            if given[name].is_floating_point():
                given[name] = given[name].to(self.model.dtype)
        found = self.run(given)
        self.output_names = [name for name in self.wanted if found.get(name) is not None]
        return found

    def run(self, given: Named) -> Named:
        """Outputs by name, from inputs and states by name."""
        return flat(self.model(**given, return_dict=True))

    def reference(self, given: Named) -> Named:
        """What eager PyTorch gives for inputs by name, without casts: outputs by name, those that this model has."""
        found = self._run_in_dtype(dict(given))
        return {name: found[name] for name in self.output_names}

    def example(self, seed: int) -> tuple[torch.Tensor, ...]:
        """Seeded tensors for every input and state."""
        return example_inputs(self.action, seed)

    def probes(self, seed: int) -> Iterator[Probe]:
        """Full rows, and rows padded on the right and on the left, which small batches take several calls for."""
        shape = next((entry["shape"] for entry in self.action["inputs"] if entry["name"] == MASK), None)
        for call in range(1 if shape is None else -(-len(PADDINGS) // math.prod(shape[:-1]))):
            given = dict(zip(self.input_names, self.example(seed + call)))
            if shape is not None:
                given = self.masked(given, padded_mask(shape, call))
            found = self.reference(given)
            yield Probe("over padded rows", [tuple(given.values())], [(name, (), tensor) for name, tensor in found.items()])

    def masked(self, given: Named, mask: torch.Tensor) -> Named:
        """Inputs by name with another attention mask."""
        return {**given, MASK: mask}


def flat(outputs: Mapping[str, typing.Any]) -> Named:
    """Outputs by name; those of a part of the model by its name, a dot and their own."""
    found = {}
    for name, value in outputs.items():
        found.update({f"{name}.{own}": each for own, each in value.items()} if isinstance(value, dict) else {name: value})
    return found


def all_constants(module: torch.nn.Module) -> Named:
    """Every parameter and buffer under every name it has: tied ones have several."""
    found = dict(module.named_parameters(remove_duplicate=False))
    found.update(module.named_buffers(remove_duplicate=False))
    return found


def cast_of(action: Action) -> torch.dtype | None:
    """The lower precision that matrix products run in, or `None`: also where casting is the compiler's own business."""
    compiler = action["compiler"]
    return DTYPES[compiler["auto_cast_type"]] if compiler.get("auto_cast") == "matmul" else None


def weight_dtype(action: Action) -> torch.dtype:
    """The dtype of the weights in the graph: `auto_cast: all` lowers them all."""
    compiler = action["compiler"]
    if compiler.get("auto_cast") == "all":
        return DTYPES[compiler["auto_cast_type"]]
    return getattr(torch, action["dtype"])


def make_config(action: Action) -> transformers.PretrainedConfig:
    """The model's config, from the document and nothing else."""
    values = dict(action["model"]["config"])
    kind = values.pop("model_type")
    return transformers.CONFIG_MAPPING[kind].from_dict(values, attn_implementation=action["model"]["attention"])


def make_model(action: Action, dtype: torch.dtype) -> torch.nn.Module:
    """The model in evaluation mode, with seeded random weights of a dtype.

    Buffers that follow from the config are real, and of the dtype that transformers gives them when it loads such a model:
    the frequencies of rotary embeddings stay in float32, or positions beyond 256 would be no numbers of bf16.
    """
    auto = getattr(transformers, action["model"]["auto_class"])
    torch.manual_seed(0)
    try:
        model = auto.from_config(make_config(action), attn_implementation=action["model"]["attention"], **{DTYPE: dtype})
    except (MemoryError, OSError):
        raise
    except Exception as error:  # config classes check little: whatever is wrong shows when the model is made, as any error
        raise UserError(f"transformers can't make this model: {one_line(error)}{_culprits(action, error)}") from error
    model = heads.attach(model_patches.patched(model.eval()), action, dtype)
    for tensor in noise.held(model):  # some classes make a parameter in float32 whatever they are asked for
        tensor.data = tensor.data.to(dtype)
    noise.shake(model, noise.TRACED)
    return model


def _culprits(action: Action, error: Exception) -> str:
    """The config's keys that an error which names none is about: a word that isn't known, or a zero."""
    config = action["model"]["config"]
    if isinstance(error, KeyError):
        names = [name for name, value in config.items() if isinstance(value, str) and value == error.args[0]]
    elif isinstance(error, ZeroDivisionError):
        names = [name for name, value in config.items() if type(value) is int and value == 0 and not name.endswith("_id")]
    else:
        names = []
    return "; its config says " + ", ".join(f"{name}: {config[name]!r}" for name in names) if names else ""


def example_inputs(action: Action, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Tensors for every input: all distinct, since one tensor passed twice would be traced as one input.

    The last row's tail is masked, so that a graph that ignored the mask would show in the check.
    """
    generator = torch.Generator().manual_seed(seed)
    return tuple(_example(entry, action, generator) for entry in action["inputs"])


def padded_mask(shape: Sequence[int], first: int = 0) -> torch.Tensor:
    """A mask of rows that are padded in turn as `PADDINGS` says, from its entry `first` on, by a third of their length."""
    mask = torch.ones(shape, dtype=torch.int64, device="cpu")
    left_out = shape[-1] // len(PADDINGS)
    for row, values in enumerate(mask.view(-1, shape[-1]), start=first):
        padding = PADDINGS[row % len(PADDINGS)]
        if padding == "right":
            values[shape[-1] - left_out :] = 0
        elif padding == "left":
            values[:left_out] = 0
    return mask


def _example(entry: TensorSpec, action: Action, generator: torch.Generator) -> torch.Tensor:
    shape, config = entry["shape"], action["model"]["config"]
    if entry["dtype"] != "int64":
        return torch.randn(shape, generator=generator, device="cpu")
    if entry["name"] == MASK:
        mask = torch.ones(shape, dtype=torch.int64, device="cpu")
        if shape[-1] > MASKED_TAIL:
            mask.view(-1, shape[-1])[-1, -MASKED_TAIL:] = 0
        return mask
    if entry["name"] == "token_type_ids":
        ids = torch.zeros(shape, dtype=torch.int64, device="cpu")
        types = config.get("type_vocab_size", vocabulary(config))  # XLM and FlauBERT look them up among the words
        ids[..., shape[-1] // 2 :] = min(1, int(types or 1) - 1)
        none = action["model"].get("no_token_types")
        if none is not None:
            ids[..., : shape[-1] // 4] = none
        return ids
    words = vocabulary(config)
    ids = torch.randint(min(5, words - 1), words, shape, generator=generator, device="cpu")
    end = config.get("text_config", {}).get("eos_token_id")
    if isinstance(end, int):  # a text's embedding is that of its end, as the mask leaves it
        ids[..., max(0, shape[-1] - MASKED_TAIL - 1)] = end
    return ids


def vocabulary(config: Mapping[str, typing.Any]) -> int:
    """How many words a model knows, by its family's own key for it."""
    config = config.get("text_config", config)
    return int(config.get("vocab_size") or config["n_words"])
