"""Models of sentence embeddings, which answer as `SentenceTransformer` of sentence-transformers 6.2 does."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, final

from neuronbuild.errors import InputError, ReleaseError
from neuronbuild.files import parse_json, read_plain
from neuronbuild.models.base import ForwardModel
from neuronbuild.models.embedding import Embedder, Wanted
from neuronbuild.models.similarity import Similarity
from neuronbuild.models.texts import TextReader, as_batch, open_tokenizer
from neuronbuild.runtime.hosts import AGAIN
from neuronbuild.tasks.checking import SettingError
from neuronbuild.tasks.sentences import POOLING_MASK, Settings, read_settings, setting_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from neuronbuild.runtime.reader import ReleaseFolder

DOCUMENT_PROMPTS = ("document", "passage", "corpus")
"""Names of the prompt for documents; the first that a model has is taken."""


def _takes_sentences(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let older code name the texts `sentences`."""

    @functools.wraps(method)
    def called(self: object, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 (arguments are checked where they go)
        if "sentences" in named:
            named["inputs"] = named.pop("sentences")
        return method(self, *arguments, **named)

    return called


def _like(encode: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a method the arguments of `encode`, and hand them over by name."""
    signature = inspect.signature(encode)

    def like(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def called(self: object, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 (as above)
            given = dict(signature.bind(self, *arguments, **named).arguments)
            return method(given.pop("self"), {**given.pop("kwargs", {}), **given})

        called.__dict__["__signature__"] = signature
        return called

    return like


@final
class NeuronSentenceTransformers(Similarity, ForwardModel):
    """Sentence embeddings: `token_embeddings` and `sentence_embedding`, pooled and normalised inside the graph.

    `prompts`, `default_prompt_name`, `truncate_dim`, `similarity_fn_name` and `max_seq_length` are those of the model's files,
    and may be set.
    """

    task: ClassVar[str] = "sentence-similarity"

    def __init__(self, release: ReleaseFolder) -> None:
        self._settings = _settings_of(release)
        Similarity.__init__(self, self._settings)
        ForwardModel.__init__(self, release)
        self.prompts: dict[str, str] = dict(self._settings.prompts)
        self.default_prompt_name = self._settings.default_prompt_name
        self.truncate_dim = self._settings.truncate_dim
        self._include_prompt = not _takes_prompts(release)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer that the release carries, told what sentence-transformers' files say of it.

        Raises:
            ReleaseError: it carries none, or one that can't be loaded here.
        """
        if self._tokenizer is None:
            self._tokenizer = open_tokenizer(self._release, self._settings, self.config)
        return self._tokenizer

    @property
    def max_seq_length(self) -> int | None:
        """How many tokens are read of a text; the rest of it is left out."""
        length: int | None = self.tokenizer.model_max_length
        return length

    @max_seq_length.setter
    def max_seq_length(self, length: int | None) -> None:
        self.tokenizer.model_max_length = length

    @_takes_sentences
    def encode(  # noqa: PLR0913, PLR0917 (the library's own signature)
        self,
        inputs: object,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,  # noqa: FBT001 (as above)
        output_value: str | None = "sentence_embedding",
        precision: str = "float32",
        convert_to_numpy: bool = True,  # noqa: FBT001, FBT002 (as above)
        convert_to_tensor: bool = False,  # noqa: FBT001, FBT002 (as above)
        device: object = None,
        normalize_embeddings: bool = False,  # noqa: FBT001, FBT002 (as above)
        truncate_dim: int | None = None,
        pool: object = None,
        chunk_size: int | None = None,
        **kwargs: object,
    ) -> Any:  # noqa: ANN401 (arrays, tensors, lists and dicts)
        """Embeddings of texts, in their order, whatever the compiled shapes: an array (texts, width), or (width,) of one text.

        Args:
            inputs: a text, or a list, tuple or array of texts and of pairs of texts.
            prompt_name: the prompt of that name goes before each text; by default that of `default_prompt_name`.
            prompt: a prompt of one's own.
            batch_size: texts that are padded together. It changes no embedding of a tokenizer that pads on the right.
            show_progress_bar: whether to show how far it is.
            output_value: `sentence_embedding`; `token_embeddings` gives a tensor (tokens, width) for each text, and `None`
                a dict of all that is known of each.
            precision: `float32`, or `int8`, `uint8`, `binary`, `ubinary` for embeddings in fewer bits.
            convert_to_numpy: an array; otherwise a list of tensors.
            convert_to_tensor: one tensor.
            device: where the release runs in any case, or `None`.
            normalize_embeddings: whether to make vectors of length 1.
            truncate_dim: how many numbers of each embedding are kept; by default the model's own `truncate_dim`.
            pool: not supported.
            chunk_size: not supported.
            kwargs: `task`, which is `query` or `document`; nothing else.

        Raises:
            InputError: something that is no text is among the inputs, or an argument isn't known or supported.
            ShapeError: a text has more tokens than any compiled shape, or would be padded where that changes its embedding.
        """
        _refuse_arguments({**kwargs, "device": device, "pool": pool, "chunk_size": chunk_size})
        width = self.truncate_dim if truncate_dim is None else truncate_dim
        form = "tensor" if convert_to_tensor else "array" if convert_to_numpy else "list"
        wanted = Wanted(output_value, precision, form, normalize=normalize_embeddings, width=width)
        texts, single = as_batch(inputs)
        told = self._told(prompt, prompt_name)
        embedder = Embedder(self._release, self._runner, leaves_prompts_out=not self._include_prompt)
        batches = embedder.batches(texts, batch_size)
        read = [self.preprocess([texts[i] for i in batch], told, task=kwargs.get("task")) for batch in batches]
        made = embedder.embed(batches, read, wanted, show=bool(show_progress_bar))
        return made[0] if single else made

    @_takes_sentences
    @_like(encode)
    def encode_query(self, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 (as encode)
        """As `encode`, for the task `query`: the prompt of that name is taken where none is given."""
        return self.encode(**_for_task("query", ("query",), self.prompts, arguments))

    @_takes_sentences
    @_like(encode)
    def encode_document(self, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 (as encode)
        """As `encode`, for the task `document`: the first of the prompts for documents is taken where none is given."""
        return self.encode(**_for_task("document", DOCUMENT_PROMPTS, self.prompts, arguments))

    def preprocess(self, inputs: object, prompt: str | None = None, **kwargs: object) -> Any:  # noqa: ANN401 (a dict of any)
        """What the tokenizer makes of texts after a prompt: tensors (texts, tokens), padded to the longest.

        Raises:
            InputError: something that is no text is among the inputs, or an argument isn't known or supported.
        """
        _refuse_arguments(kwargs)
        texts, _ = as_batch(inputs)
        lengths = {"query": self._settings.query_length, "document": self._settings.document_length}
        task = kwargs.get("task")
        return TextReader(self.tokenizer, lengths).read(texts, prompt, str(task) if task else None) if texts else {}

    def tokenize(self, texts: object, **kwargs: Any) -> Any:  # noqa: ANN401 (as preprocess)
        """As `preprocess`, by its older name."""
        return self.preprocess(texts, **kwargs)

    def get_embedding_dimension(self) -> int:
        """How many numbers an embedding has."""
        outputs = {spec.name: spec.shape for spec in self._release.buckets[0].signature.outputs}
        width = outputs["sentence_embedding"][-1]
        return width if self.truncate_dim is None else min(width, self.truncate_dim)

    get_sentence_embedding_dimension = get_embedding_dimension

    def get_max_seq_length(self) -> int | None:
        """`max_seq_length`, by its older name."""
        return self.max_seq_length

    @contextlib.contextmanager
    def truncate_embeddings(self, truncate_dim: int | None) -> Iterator[None]:
        """Keep that many numbers of each embedding within a `with` block."""
        before = self.truncate_dim
        self.truncate_dim = truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = before

    truncate_sentence_embeddings = truncate_embeddings

    def set_pooling_include_prompt(self, include_prompt: bool) -> None:  # noqa: FBT001 (the library's own signature)
        """Say whether the tokens of prompts are pooled.

        Raises:
            InputError: they shall not be, and the graph pools all tokens.
        """
        if not include_prompt and not _takes_prompts(self._release):
            hint = 'compile the model with "include_prompt": false in the config of its Pooling module'
            raise InputError("this release was compiled to pool the tokens of prompts with all others", hint=hint)
        self._include_prompt = bool(include_prompt)

    def _told(self, prompt: str | None, name: str | None) -> str | None:
        """The prompt that goes before each text: the one given, or the one of a name, or the one by default."""
        if prompt is not None and not isinstance(prompt, str):
            raise InputError(f"prompt is a {type(prompt).__name__}; it must be a text")
        wanted = self.default_prompt_name if name is None else name
        if prompt is not None or wanted is None:
            return prompt
        if wanted not in self.prompts:
            raise InputError(f"there is no prompt {wanted!a:.80}", hint=f"give one of {', '.join(self.prompts)}, or `prompt`")
        return self.prompts[wanted]


def _takes_prompts(release: ReleaseFolder) -> bool:
    """Whether the graph is told which tokens are those of a prompt."""
    return any(spec.name == POOLING_MASK for spec in release.buckets[0].signature.inputs)


def _for_task(task: str, names: tuple[str, ...], prompts: dict[str, str], arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `encode` for a task, whose prompt is the first of these names that there is, where none is given."""
    if arguments.get("prompt") is None and arguments.get("prompt_name") is None:
        arguments["prompt_name"] = next((name for name in names if name in prompts), None)
    return {**arguments, "task": task}


def _refuse_arguments(given: dict[str, object]) -> None:
    """Stop at arguments that aren't known, or that would change something that nothing here can change.

    Raises:
        InputError: there is one.
    """
    task, device = given.get("task"), given.get("device")
    if task is not None and not isinstance(task, str):
        raise InputError(f"task is a {type(task).__name__}; it must be a text")
    if device is not None and str(device) != "cpu":
        raise InputError(
            f"device {device!a:.80} isn't supported", hint="a release runs where it was compiled for: leave it out"
        )
    for name, value in given.items():
        if name not in {"task", "device"} and value is not None:
            known = name in {"pool", "chunk_size", "processing_kwargs"}
            raise InputError(f"{name} isn't supported" if known else f"unknown argument {name}", hint="leave it out")


def _settings_of(release: ReleaseFolder) -> Settings:
    """What sentence-transformers' files in a release say.

    Raises:
        ReleaseError: one can't be read, or says what this version doesn't know.
    """
    try:
        paths = setting_files(file.path for file in release.index.files)
        return read_settings({path: _json(release.folder / path) for path in paths})
    except (SettingError, OSError, ValueError, RecursionError) as error:
        raise ReleaseError(str(release.folder), str(error), hint=AGAIN) from None


def _json(path: Path) -> object:
    return parse_json(read_plain(path))
