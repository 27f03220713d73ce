"""`generate()` over compiled graphs: transformers chooses tokens, the graphs score them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from transformers import GenerationMixin
from transformers.utils import ModelOutput

from neuronbuild.errors import InputError, ReleaseError, UsageError
from neuronbuild.models.base import NeuronModel
from neuronbuild.models.hooks import CacheHooks
from neuronbuild.models.requests import ARGUMENTS, refuse_arguments, refuse_settings
from neuronbuild.recipe.words import unknown_word
from neuronbuild.runtime.sessions import Sessions

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from neuronbuild.runtime.reader import ReleaseFolder

FROM_FOLDER = {
    "from_auto_class": False,
    "from_pipeline": None,
    "cache_dir": None,
    "force_download": False,
    "proxies": None,
    "local_files_only": True,
    "token": None,
    "revision": "main",
    "subfolder": "",
    "trust_remote_code": False,
}
"""How transformers is told to look for a model's settings of generation in a folder, and nowhere else."""


class GenerativeModel(NeuronModel, CacheHooks):
    """A model that generates tokens. Calls from several threads have a cache each."""

    base_model_prefix: ClassVar[str] = "model"

    def __init__(self, release: ReleaseFolder) -> None:
        super().__init__(release)
        self.sessions = Sessions(release)
        self.buckets = release.buckets
        self.generation_config: GenerationConfig
        try:  # the very code by which transformers finds them, in generation_config.json or else in config.json
            self.adjust_generation_fn(None, pretrained_model_name_or_path=release.folder, **FROM_FOLDER)
        except (OSError, TypeError, ValueError) as error:
            raise ReleaseError(str(release.folder), f"its settings of generation can't be used: {error}") from None

    def warm(self) -> None:
        """Open every compiled graph and run it once."""
        self.sessions.warm()

    def generate(self, *arguments: object, **named: Any) -> Any:  # noqa: ANN401 (as transformers gives it)
        """Tokens, as transformers' `generate()` of the same model gives them.

        Raises:
            InputError: inputs of the wrong kind, or a mode, setting or argument that isn't supported.
            ShapeError: more sequences or tokens than any compiled shape has room for.
            UsageError: an argument is unknown.
        """
        names = list(inspect.signature(super().generate).parameters)
        given = {**dict(zip(names, arguments, strict=False)), **named}
        refuse_arguments(given, [*names, *inspect.signature(GenerationMixin.generate).parameters])
        self._refuse_strange_inputs(given)
        made = super().generate(*arguments, **named)
        if isinstance(made, ModelOutput) and not getattr(made.get("past_key_values"), "asked", True):
            made = type(made)(**{name: value for name, value in made.items() if name != "past_key_values"})
        return made

    def _refuse_strange_inputs(self, given: dict[str, Any]) -> None:
        """Before anything is computed: inputs that are no tensors, ids that this model hasn't got, and others' caches."""
        self._own_cache(given.get("past_key_values"))
        for name in ("inputs", "input_ids", "decoder_input_ids"):
            if given.get(name) is not None and (name != "inputs" or self.main_input_name == "input_ids"):
                self._checked(given[name], name)
        for name in self._inputs():
            if given.get(name) is not None and name.endswith(("_mask", "_features", "position_ids")):
                refuse_no_tensor(name, given[name])

    def _prepare_generation_config(self, generation_config: GenerationConfig | None, **named: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """Where transformers puts together what is asked for, first of all: what isn't supported is refused."""
        config, rest = super()._prepare_generation_config(generation_config, **named)
        refuse_settings(config)
        return config, rest

    def _validate_model_kwargs(self, model_kwargs: dict[str, Any]) -> None:
        """Where transformers looks at arguments that are none of its own: refuse those that no graph takes."""
        self.refuse_unknown("generate", {name: value for name, value in model_kwargs.items() if name not in self._inputs()})

    def prepare_inputs_for_generation(self, *arguments: Any, **named: Any) -> dict[str, Any]:  # noqa: ANN401 (transformers' hook)
        """What `forward` takes of what transformers hands from step to step, which has things of its own among it."""
        prepared = super().prepare_inputs_for_generation(*arguments, **named)
        return {name: prepared[name] for name in self._inputs() if name in prepared}

    def _inputs(self) -> list[str]:
        """Names of what `forward` takes."""
        parameters = inspect.signature(self.forward).parameters.values()
        return [each.name for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]

    def refuse_unknown(self, call: str, others: dict[str, Any]) -> None:
        """Refuse arguments that say something and that nobody knows."""
        for name, value in others.items():
            if value is not None and value is not False:
                words = [*self._inputs(), *self.generation_config.to_dict(), *sorted(ARGUMENTS)]
                raise UsageError(f"{call}: {unknown_word('argument', name, words)}")

    def _checked(self, ids: torch.Tensor, name: str) -> torch.Tensor:
        """An id outside its table would end the whole process: compiled loops run in threads that can't throw."""
        limit = self.buckets[0].limits.get("input_ids" if name == "inputs" else name)
        kinds = {torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8}
        if not isinstance(ids, torch.Tensor) or ids.dim() != 2 or ids.dtype not in kinds or 0 in ids.shape:  # noqa: PLR2004
            shown = f"{ids.dtype} {list(ids.shape)}" if isinstance(ids, torch.Tensor) else type(ids).__name__
            raise InputError(f"{name} must be integers of shape (batch, tokens), not {shown}")
        if limit is not None and (int(ids.min()) < 0 or int(ids.max()) >= limit):
            raise InputError(f"{name} hold an id outside 0 to {limit - 1}", hint="use the tokenizer that the release carries")
        return ids.to(torch.int64)


def refuse_no_tensor(name: str, value: object) -> None:
    """Refuse lists, arrays and others that transformers would trip over.

    Raises:
        InputError: it isn't a tensor.
    """
    if not isinstance(value, torch.Tensor):
        raise InputError(f"{name} must be a tensor, not {type(value).__name__}")
