"""Pipelines of transformers over compiled models, with two differences.

What a pipeline would drop silently is refused. Texts are cut to the compiled length where the caller asks for truncation, and
only there.
"""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any

import transformers
from transformers.utils.chat_template_utils import Chat

from neuronbuild.counts import counted
from neuronbuild.errors import ShapeError, UsageError
from neuronbuild.recipe.words import unknown_word
from neuronbuild.runtime.padding import padding_refused
from neuronbuild.tasks import BATCH
from neuronbuild.tasks.table import BEAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from neuronbuild.models.base import NeuronModel

TOKENIZER_WORDS = frozenset(inspect.signature(transformers.PreTrainedTokenizerBase.__call__).parameters) - {"self", "kwargs"}
"""Arguments that tokenizers know. They log others, and go on without them."""

NESTED = ("tokenize_kwargs", "tokenizer_kwargs")
"""Arguments of pipelines that hold arguments of the tokenizer."""

ENCODE = "tokenizer_encode_kwargs"
"""The same for text generation. With a chat these are variables of the chat's template, which may have any name."""

UNASKED = ("token-classification", "zero-shot-classification")
"""Pipelines that cut each text to what the tokenizer calls the model's length, and take no argument for it."""

BY_TOKENIZER = ("fill-mask", "zero-shot-image-classification")
"""Pipelines whose preprocessing takes `truncation` among arguments of the tokenizer only."""

TOKENIZES = ("text-classification",)
"""Pipelines that hand what they don't know to the tokenizer."""

DROPPED = {"zero-shot-image-classification": ("tokenizer_kwargs",)}
"""Arguments that transformers' pipelines name, and don't use."""

KEPT = "the pipeline would go on without it"


class Checked(transformers.Pipeline):  # type: ignore[misc]  # lint knows no types of transformers
    """Stands before a class of transformers' pipelines: `checked(cls)` makes the two one."""

    def __call__(self, *inputs: object, **named: object) -> Any:  # noqa: ANN401 (transformers' pipelines have no types)
        """Run the pipeline: see transformers' class.

        Args:
            inputs: one input, a list, a generator or a dataset.
            named: the pipeline's arguments. Each pipeline over texts takes `truncation` (true, or a strategy's name): texts
                are then cut to the longest compiled shape. Without it a text that is longer is refused.

        Raises:
            UsageError: an argument is none that the pipeline uses.
            ShapeError: an input fits no compiled shape.
        """
        if len(inputs) > 1 and not isinstance(self, transformers.ZeroShotClassificationPipeline):
            taken = inspect.signature(super().__call__).parameters.values()
            if any(each.kind is each.VAR_POSITIONAL for each in taken):
                raise UsageError(f"{self.task}: {len(inputs)} inputs by place", hint="put them in a list")
        return super().__call__(*inputs, **named)

    def _sanitize_parameters(self, **given: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:  # noqa: ANN401
        """Where pipelines sort their arguments, those of the constructor and those of each call."""
        told = dict(given)
        truncation = told.pop("truncation", None) if self.task in UNASKED + BY_TOKENIZER else None
        refuse_unused(self.task, super()._sanitize_parameters, told)
        before, during, after = super()._sanitize_parameters(**told)
        self._refuse_misfits(during, after)
        if truncation is not None and self.task in BY_TOKENIZER:
            before["tokenizer_kwargs"] = {**(before.get("tokenizer_kwargs") or {}), "truncation": truncation}
        cut = _asks_to_cut(given)
        return before if cut is None else {**before, "cut": cut}, during, after

    def preprocess(self, inputs: object, *, cut: bool = False, **parameters: Any) -> Any:  # noqa: ANN401 (as above)
        """Make tensors of an input, with `cut` by a tokenizer that cuts to the compiled length."""
        if not isinstance(inputs, Chat):
            refuse_unknown(parameters.get(ENCODE))
        worker = self._cutting(parameters) if cut else self
        return super(Checked, worker).preprocess(inputs, **parameters)

    def _prepare_generate_kwargs(self, generate_kwargs: dict[str, Any], **overrides: Any) -> dict[str, Any]:  # noqa: ANN401
        """Where pipelines complete the arguments of `generate()` by their own: speech recognition takes five beams."""
        made: dict[str, Any] = super()._prepare_generate_kwargs(generate_kwargs, **overrides)
        beams = self._get_set_generation_params(made).get("num_beams") or 1
        rows = max(shape.get(BATCH, 1) * shape.get(BEAMS, 1) for shape in self.model.shapes)
        if beams > rows:
            hint = "pass num_beams=1, or compile more; speech recognition takes five beams where nothing is said"
            raise ShapeError(counted(beams, "beam"), listed(self.model), hint=hint)
        return made

    def forward(self, model_inputs: Any, **parameters: Any) -> Any:  # noqa: ANN401 (as above)
        """Run the model on tensors of an input, or of a batch."""
        with padding_refused():
            return super().forward(model_inputs, **parameters)

    def save_pretrained(self, save_directory: str | Path, max_shard_size: object = None) -> None:  # noqa: ARG002 (push_to_hub's)
        """Copy the release, which holds tokenizer and processors as they are; see the model's method."""
        self.model.save_pretrained(save_directory)

    def _refuse_misfits(self, during: Mapping[str, object], after: Mapping[str, object]) -> None:
        """Stop at what a kind of speech model can't do, and the pipeline would drop or fail at late."""
        kind = getattr(self, "type", "")
        if kind == "ctc":
            for name in [*(during.keys() - {"return_timestamps"}), *(after.keys() - {"return_timestamps"})]:
                raise UsageError(f"{self.task}: {name} is for models that generate or have a language model: {KEPT}")
        if kind == "seq2seq_whisper" and during.get("return_timestamps") == "word":
            hint = "return_timestamps=True gives those of segments"
            raise UsageError("timestamps of words need attention weights, which compiled graphs don't give", hint=hint)

    def _cutting(self, parameters: Mapping[str, Any]) -> Checked:
        """This pipeline with a tokenizer that cuts to the compiled length. The model's own may allow more, or set no limit."""
        worker = copy.copy(self)
        worker.tokenizer = copy.copy(self.tokenizer)
        worker.tokenizer.model_max_length = min(self.tokenizer.model_max_length, self._room(parameters))
        stride = (parameters.get("tokenizer_params") or {}).get("stride", 0)
        most = worker.tokenizer.model_max_length - self.tokenizer.num_special_tokens_to_add()
        if stride >= most:
            raise UsageError(
                f"stride={stride} leaves nothing of windows of {counted(most, 'token')}", hint="give a smaller stride"
            )
        return worker

    def _room(self, parameters: Mapping[str, Any]) -> int:
        """Tokens of the longest text that may come in: for text generation there must be room for new ones after it."""
        longest: int = self.model.longest
        if self.task != "text-generation" or parameters.get("handle_long_generation") == "hole":
            return longest
        known = inspect.signature(super().preprocess).parameters
        asked = {name: value for name, value in parameters.items() if name not in known}
        new = self._get_set_generation_params(self._prepare_generate_kwargs(asked)).get("max_new_tokens") or 0
        return longest - new if new < longest else longest


def listed(model: NeuronModel) -> list[str]:
    """The compiled shapes in words."""
    return [", ".join(f"{axis}={size}" for axis, size in shape.items()) for shape in model.shapes]


def checked(pipeline_class: type) -> type:
    """A class of pipelines that refuses what the given one would drop, and cuts texts to compiled lengths where asked to."""
    return type(pipeline_class.__name__, (Checked, pipeline_class), {"__doc__": pipeline_class.__doc__})


def refuse_unused(task: str, sort: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Stop at arguments that a pipeline doesn't use. `sort` is its `_sanitize_parameters`.

    Where that takes names of any kind, a name is used if it comes out again, or brings out others.

    Raises:
        UsageError: one is unknown, or known and without effect.
    """
    named = inspect.signature(sort).parameters
    known = [name for name, each in named.items() if each.kind is not each.VAR_KEYWORD]
    taken = {
        *known,
        *(TOKENIZER_WORDS if task in TOKENIZES else ()),
        *(("truncation",) if task in UNASKED + BY_TOKENIZER else ()),
    }
    for name, value in given.items():
        if name in DROPPED.get(task, ()) and value:
            raise UsageError(f"{task}: transformers' pipeline makes no use of {name}")
        if name in taken or (task not in TOKENIZES and len(known) < len(named) and _comes_out(sort, name, value)):
            continue
        raise UsageError(
            f"{task}: {unknown_word('argument', name, sorted(taken))}" if known else f"{task}: unknown argument {name!r}"
        )
    for name in NESTED:
        refuse_unknown(given.get(name))


def refuse_misspelt(task: str, pipeline_class: Any, arguments: Iterable[str]) -> None:  # noqa: ANN401 (transformers has no types)
    """Stop, before there is a model, at names that neither the constructor nor any call takes.

    Pipelines that hand names on to `generate()`, or that sort them by code, are left to `refuse_unused`.

    Raises:
        UsageError: one is unknown.
    """
    sorts = inspect.signature(pipeline_class._sanitize_parameters).parameters  # noqa: SLF001
    if any(each.kind is each.VAR_KEYWORD for each in sorts.values()) and task not in TOKENIZES:
        return
    makes = {
        *inspect.signature(transformers.Pipeline.__init__).parameters,
        *inspect.signature(pipeline_class.__init__).parameters,
    }
    known = {*sorts, *makes, *(TOKENIZER_WORDS if task in TOKENIZES else ()), "batch_size", "num_workers", "truncation"}
    for name in arguments:
        if name not in known:
            raise UsageError(f"{task}: {unknown_word('argument', name, sorted(known - {'self', 'kwargs', 'args'}))}")


def refuse_unknown(arguments: Mapping[str, object] | None) -> None:
    """Stop at arguments that no tokenizer knows.

    Raises:
        UsageError: one is unknown.
    """
    for name in arguments or {}:
        if name not in TOKENIZER_WORDS:
            raise UsageError(unknown_word("argument of the tokenizer", name, sorted(TOKENIZER_WORDS)))


def _comes_out(sort: Callable[..., Any], name: str, value: object) -> bool:
    if value is None or value == {}:
        return True
    return any(with_it.keys() - without.keys() for with_it, without in zip(sort(**{name: value}), sort(), strict=True))


def _asks_to_cut(given: Mapping[str, Any]) -> bool | None:
    """Whether arguments ask for texts to be cut, or to be read in windows; `None` where they say nothing of it."""
    held = [given, *(given.get(name) or {} for name in (*NESTED, ENCODE))]
    told = [each["truncation"] for each in held if each.get("truncation") is not None]
    if given.get("stride") is not None or given.get("handle_long_generation") is not None:
        return True
    return any(each not in (False, "do_not_truncate") for each in told) if told else None
