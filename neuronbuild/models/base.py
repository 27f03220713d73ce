"""What all model classes share: loading and saving; and those that are called, tensors in and tensors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from transformers import modeling_outputs
from transformers.utils import ModelOutput

from neuronbuild.artifact.snapshot import VOCABULARIES
from neuronbuild.errors import InputError, ReleaseError, UsageError
from neuronbuild.models.likeness import Likeness
from neuronbuild.models.preprocessors import PROCESSORS, carries, load_processor, load_tokenizer, read_processor
from neuronbuild.models.pushing import read_push
from neuronbuild.models.releases import copy_release, files_of, find_release, find_saved, push_release
from neuronbuild.platforms import PLATFORMS
from neuronbuild.recipe.idle import IDLE, refuse_others, settle
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.runner import Runner
from neuronbuild.tasks import OWN_TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from neuronbuild.runtime.reader import ReleaseFolder

Self = TypeVar("Self", bound="NeuronModel")

CALL = "from_pretrained"

SHOWN = 4
"""Shapes that a model is shown with before the rest is only counted."""


def _shown(model: NeuronModel) -> str:
    """The class, the release, what it was compiled for, and its shapes, of many only the first."""
    told = [", ".join(f"{axis}={size}" for axis, size in shape.items()) for shape in model.shapes]
    more = [f"and {len(told) - SHOWN:,} more"] if len(told) > SHOWN else []
    folder, index = model._release.folder, model._release.index  # noqa: SLF001 (its own class's `__repr__`)
    shapes = "; ".join([*told[:SHOWN], *more])
    return f"{type(model).__name__}({str(folder)!r}: {index.task} on {index.platform}; {shapes})"


def _refuse_exports(given: Mapping[str, object]) -> None:
    """Stop at what says how to compile, where nothing is compiled.

    Raises:
        UsageError: there is such, or something unknown.
    """
    if given:
        from neuronbuild.models.export import ARGUMENTS

        said = [name for name, value in given.items() if value is not None or name not in ARGUMENTS]
        if said:
            raise UsageError(f"{CALL}: {', '.join(said)} can't be given without export=True")


class NeuronModel(Likeness, ABC):
    """A loaded release of one task."""

    def __init__(self, release: ReleaseFolder) -> None:
        self._release = release
        self._config: PretrainedConfig | None = None
        self._tokenizer: PreTrainedTokenizerBase | None = None
        self._processor: Any = None

    @classmethod
    def from_pretrained(
        cls: type[Self],
        model: str | Path,
        *,
        export: bool = False,
        warm: bool = False,
        revision: str | None = None,
        core: int | None = None,
        local_files_only: bool = False,
        **arguments: object,
    ) -> Self:
        """Load a release folder, or one from the Hub; with `export=True` compile a model first, where the cache hasn't got it.

        Args:
            model: a release folder or Hub id; with `export=True` a model: Hub id, folder or `package:module/subfolder`.
            export: compile `model` for the shapes given.
            warm: run each compiled shape once before returning: the first call is slower otherwise.
            revision: branch, tag or commit on the Hub.
            core: the NeuronCore to load onto, for releases for Neuron devices; the runtime takes turns otherwise.
            local_files_only: go by what the Hub's local cache has, and don't ask the Hub.
            arguments: with `export=True`: sizes of the axes (`batch_size=1, sequence_length=[64, 128]`; a list compiles a
                grid), compiler options (`auto_cast`, `auto_cast_type`, `optlevel`), `dynamic_batch_size`, `task`,
                `platform`, and `cache`, `output`, `jobs`. Keywords of optimum-neuron that have no counterpart, at the values
                at which they ask for nothing.

        Raises:
            ReleaseError: not a release, one for another task, or one that this host can't run.
            UsageError: an argument is unknown, or `model` would be compiled for a task of another class.
            RecipeError, SourceError, StoreError, ToolchainError: compiling is not possible; see the message.
        """
        asked = settle(CALL, {**arguments, "revision": revision, "local_files_only": local_files_only}, export=export)
        if export:
            from neuronbuild.models.export import export_model, refuse_misfit

            refuse_misfit(str(model), cls.task, asked)
            folder = export_model(str(model), cls.task, asked)
        else:
            refuse_others(CALL, [name for name in asked if name in arguments and name in IDLE])
            _refuse_exports({name: value for name, value in asked.items() if name in arguments})
            folder = find_release(str(model), revision if "revision" in asked else None, offline=local_files_only)
        release = read_release(folder, core)
        if core is not None and not PLATFORMS[release.index.platform].is_neuron:
            problem = f"core is for releases for Neuron devices, and this one is for {release.index.platform}"
            raise UsageError(f"{CALL}: {problem}: leave it out")
        if release.index.task != cls.task:
            row = OWN_TASKS.get(release.index.task)
            fitting = row.model_class if row else "no class of this version"
            raise ReleaseError(str(folder), f"it was compiled for {release.index.task}", hint=f"load it with {fitting}")
        loaded = cls(release)
        if warm:
            loaded.warm()
        return loaded

    __repr__ = _shown

    @abstractmethod
    def warm(self) -> None:
        """Open every graph and run it once, so that the first call costs what every call costs."""

    @property
    def config(self) -> PretrainedConfig:
        """The model's config, as transformers reads it."""
        if self._config is None:
            from transformers import AutoConfig

            self._release.refuse_altered()
            self._config = AutoConfig.from_pretrained(self._release.folder, local_files_only=True, trust_remote_code=False)
        return self._config

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer that the release carries.

        Raises:
            ReleaseError: it carries none, or one that can't be loaded here.
        """
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self._release)
        return self._tokenizer

    @property
    def processor(self) -> Any:  # noqa: ANN401 (transformers has no class above all of them)
        """The processor that the release carries: of images, of sound, or of both with text.

        Raises:
            ReleaseError: it carries none, or one that can't be loaded here.
        """
        if self._processor is None:
            self._processor = load_processor(self._release)
        return self._processor

    def read_processor(self) -> Any:  # noqa: ANN401 (as above)
        """The processor just as the model's own files say, which may make images of other sizes than were compiled.

        Raises:
            ReleaseError: the release carries none, or one that can't be loaded here.
        """
        return read_processor(self._release)

    @property
    def preprocessors(self) -> list[Any]:
        """What the release carries to make inputs with: tokenizer, processor, either or both.

        Raises:
            ReleaseError: one can't be loaded here.
        """
        made = [self.tokenizer] if self.carries(VOCABULARIES) else []
        return [*made, self.processor] if self.carries(PROCESSORS) else made

    def carries(self, files: tuple[str, ...]) -> bool:
        """Whether there is a file of such a name in the release: `VOCABULARIES`, `PROCESSORS`."""
        return carries(self._release, files)

    @property
    def shapes(self) -> list[dict[str, int]]:
        """The compiled shapes, as sizes by axis."""
        return [bucket.shape.as_dict() for bucket in self._release.buckets]

    @property
    def longest(self) -> int:
        """Tokens of the longest compiled shape: the `max_length` to truncate to.

        Raises:
            UsageError: the model reads and writes no text.
        """
        lengths = [shape["sequence_length"] for shape in self.shapes if "sequence_length" in shape]
        if not lengths:
            raise UsageError(f"a model for {self.task} has no longest text")
        return max(lengths)

    @property
    def padding_matters(self) -> bool:
        """Whether padding changes results: measured where the model was compiled."""
        return self._release.index.padding_matters

    def save_pretrained(self, folder: str | Path, *, push_to_hub: bool = False, **arguments: Any) -> None:  # noqa: ANN401 (as of `push_to_hub`)
        """Copy the release to a folder that isn't there yet, is empty, or holds a release, which is replaced then.

        `push_to_hub=True` uploads it then, with the arguments of the method of that name.

        Raises:
            ReleaseError: the folder holds something else, or can't be written, or the release was altered.
            UsageError, SourceError: as of `push_to_hub`.
        """
        if not push_to_hub:
            refuse_others("save_pretrained", arguments, ["push_to_hub"])
        self._release.refuse_altered()
        copy_release(self._release.folder, files_of(self._release.index), Path(folder))
        if push_to_hub:
            self.push_to_hub(**{"save_directory": folder, **arguments})

    def push_to_hub(self, repo_id: str | Path | None = None, repository_id: str | None = None, **arguments: object) -> str:
        """Upload the release to the Hub in one commit, and give the commit's address.

        Args:
            repo_id: the repository, `organisation/name`; with `repository_id` a folder that this very release was saved to.
            repository_id: the repository, in optimum-neuron's word.
            arguments: `private`, `revision`, `token` or `use_auth_token` (by default HF_TOKEN, or what was saved), `endpoint`;
                `save_directory` is the folder by its name.

        Raises:
            SourceError: the Hub can't be reached, or refuses it.
            ReleaseError: the release was altered, or the folder doesn't hold it.
            UsageError: no repository is named, or an argument is unknown.
        """
        push = read_push(repo_id, repository_id, arguments)
        self._release.refuse_altered()
        folder = self._release.folder if push.folder is None else find_saved(push.folder, self._release)
        return push_release(folder, files_of(self._release.index), push)


class ForwardModel(NeuronModel):
    """A model of one graph. Call it as the transformers model of the same name; safe to call from several threads."""

    def __init__(self, release: ReleaseFolder) -> None:
        super().__init__(release)
        self._runner = Runner(release)

    def warm(self) -> None:
        """Open every compiled shape and run it once."""
        self._runner.warm()

    def __call__(self, *inputs: torch.Tensor, **named: object) -> ModelOutput:
        """Run the model on what its tokenizer or processor gives (`return_tensors="pt"`).

        Args:
            inputs: by place, in the order of the graph (`input_ids` first, or `pixel_values`, or `input_values`).
            named: by name. Text: `input_ids` int64 of shape (batch, tokens), (batch, choices, tokens) for multiple choice;
                `attention_mask` (default: ones), and `token_type_ids` for models that have them (default: what transformers
                takes without them: zeros, but for XLM and FlauBERT). Images:
                `pixel_values` float32 of shape (batch, channels, height, width). Sound: `input_values` float32 of shape
                (batch, samples).

        Raises:
            InputError: inputs are missing, unknown or of the wrong kind.
            ShapeError: they are larger than every compiled shape.
        """
        if named.pop("return_dict", True) not in {True, None}:
            raise InputError("return_dict=False is not supported", hint="use .to_tuple() on the output")
        names = [spec.name for spec in self._release.buckets[0].signature.inputs]
        return self._output(self._runner.run({**dict(zip(names, inputs, strict=False)), **named}))

    forward = __call__

    def _output(self, tensors: dict[str, torch.Tensor]) -> ModelOutput:
        """Outputs as transformers' class for this task."""
        name = OWN_TASKS[self.task].output_class
        output: ModelOutput = getattr(modeling_outputs, name, ModelOutput)(**tensors)
        return output
