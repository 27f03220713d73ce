"""Texts to tokens as sentence-transformers makes them: what its tokenizer is told, and what goes before each text.

The rules are those of sentence_transformers/base/modules/transformer.py and base/model.py of version 6.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, final

import numpy as np
from tokenizers.normalizers import Lowercase, Sequence

from neuronbuild.errors import InputError, ReleaseError, first_line
from neuronbuild.models.preprocessors import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from neuronbuild.runtime.reader import ReleaseFolder
    from neuronbuild.tasks.sentences import Settings

TEXT = "give a text, a pair of texts, or a list of them"
PAIR = 2


def open_tokenizer(release: ReleaseFolder, settings: Settings, config: PretrainedConfig) -> PreTrainedTokenizerBase:
    """The release's tokenizer, told what the settings say of lengths and of small letters.

    Raises:
        ReleaseError: there is none, or one with a template of chats that texts would have to be put into.
    """
    tokenizer = load_tokenizer(release, **settings.tokenizer)
    if settings.plain and getattr(tokenizer, "chat_template", None) is not None:
        problem = "its tokenizer has a template of chats, which isn't supported for embeddings of sentences"
        raise ReleaseError(str(release.folder), problem, hint="compile it for feature-extraction")
    positions = getattr(config, "max_position_embeddings", -1)
    if "model_max_length" not in settings.tokenizer and isinstance(positions, int) and positions != -1:
        tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    if settings.do_lower_case:
        _use_small_letters(tokenizer)
    return tokenizer


def _use_small_letters(tokenizer: Any) -> None:  # noqa: ANN401 (two kinds of tokenizers, without types)
    if not tokenizer.is_fast:
        tokenizer.do_lower_case = True
        return
    present = tokenizer.backend_tokenizer.normalizer
    steps = [*cast("Iterable[object]", present)] if isinstance(present, Sequence) else [present] if present is not None else []
    if not any(isinstance(step, Lowercase) for step in steps):
        tokenizer.backend_tokenizer.normalizer = Sequence([Lowercase(), *steps])


def as_batch(inputs: object) -> tuple[list[Any], bool]:
    """Texts and pairs of texts as a list, and whether it was a single text.

    A list, a tuple and an array of texts are batches, whatever is in them.

    Raises:
        InputError: something else is among them.
    """
    if isinstance(inputs, np.ndarray) and inputs.ndim and inputs.dtype.kind in "UO":
        texts = inputs.tolist()
    elif isinstance(inputs, (list, tuple)):
        texts = list(inputs)
    else:
        texts = [inputs]
    strange = next((text for text in texts if not _is_text(text)), "")
    if not _is_text(strange):
        raise InputError(f"there is a {type(strange).__name__} where a text must be: {strange!a:.80}", hint=TEXT)
    return texts, not isinstance(inputs, (list, tuple, np.ndarray))


def _is_text(text: object) -> bool:
    if isinstance(text, (list, tuple)):
        return len(text) == PAIR and all(isinstance(part, str) for part in text)
    return isinstance(text, str)


def characters(text: str | list[str] | tuple[str, ...]) -> int:
    """How long a text or a pair of texts is."""
    return len(text) if isinstance(text, str) else sum(len(part) for part in text)


@final
class TextReader:
    """Makes tokens of texts with a tokenizer, which may be changed in between."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, lengths: dict[str, int | None]) -> None:
        """`lengths` are the most tokens of a text, by the task that it is for."""
        self._tokenizer = tokenizer
        self._lengths = lengths

    def read(self, texts: list[Any], prompt: str | None = None, task: str | None = None) -> Any:  # noqa: ANN401 (a dict of any)
        """Tensors of shape (texts, tokens), padded to the longest; `prompt_length` counts the tokens of a prompt.

        Raises:
            InputError: a text holds half a character, or the tokenizer can't read it.
        """
        length = self._lengths.get(task or "")
        more = {} if length is None else {"max_length": length}
        whole = [_prefixed(text, prompt) for text in texts] if prompt else texts
        try:
            made = self._tokenizer(whole, padding=True, truncation="longest_first", return_tensors="pt", **more)
        except (TypeError, ValueError, UnicodeError) as error:
            problem = f"the tokenizer can't read these texts: {first_line(error)}"
            raise InputError(problem, hint="each must be made of whole characters") from None
        made["modality"] = "text"
        if prompt:
            made["prompt_length"] = self._tokens_of(prompt)
        return made

    def _tokens_of(self, prompt: str) -> int:
        """How many tokens a prompt begins a text with, without the special one that ends a text."""
        ids = self.read([prompt])["input_ids"][0].tolist()
        return len(ids) - (ids[-1] in self._tokenizer.all_special_ids)


def _prefixed(text: str | list[str] | tuple[str, ...], prompt: str) -> str | list[str]:
    """A text after a prompt; of a pair, the first."""
    return prompt + text if isinstance(text, str) else [prompt + text[0], *text[1:]]
