"""What sentence-transformers' own files say besides the modules: how texts are read, and what embeddings are used for.

The rules are those of sentence-transformers 6.2. A key or value that would change an answer, and that isn't known here, is
refused by its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from neuronbuild.tasks.checking import (
    Check,
    SettingError,
    arguments,
    checked,
    is_anything,
    is_flag,
    is_length,
    is_text,
    is_texts,
    is_whole,
    none_but,
    one_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MODULES = "modules.json"
USES = "config_sentence_transformers.json"
READERS = tuple(
    f"sentence_{kind}_config.json" for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Names that the library's versions gave to the settings of the first module. The first that says anything counts."""

POOLING_MASK = "pooling_mask"
"""The input that says which tokens are pooled, where those of a prompt are not."""

SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
NO_PROMPTS = {"query": "", "document": ""}
"""Prompts that every model has, empty where its files say nothing."""

DROPPED = "trust_remote_code"
"""The library lets no file of a model set it."""

OF_TOKENIZER: dict[str, Check] = {
    "model_max_length": is_length,
    "padding_side": one_of("left", "right"),
    "truncation_side": one_of("left", "right"),
    DROPPED: is_anything,
}
OF_READER: dict[str, Check] = {
    "max_seq_length": is_length,
    "query_length": is_length,
    "document_length": is_length,
    "do_lower_case": is_flag,
    "transformer_task": one_of("feature-extraction"),
    "modality_config": one_of({"text": {"method": "forward", "method_output_name": "last_hidden_state"}}),
    "module_output_name": one_of("token_embeddings"),
    "unpad_inputs": is_anything,  # it is about flash attention
    "processor_kwargs": arguments(OF_TOKENIZER),
    "tokenizer_args": arguments(OF_TOKENIZER),
    "tokenizer_name_or_path": one_of(None),
    "query_expansion": one_of(None),
    **dict.fromkeys(("processing_kwargs", "model_kwargs", "model_args", "config_kwargs", "config_args"), none_but(DROPPED)),
}
OF_USES: dict[str, Check] = {
    "__version__": is_anything,
    "model_type": one_of("SentenceTransformer"),
    "prompts": is_texts,
    "default_prompt_name": is_text,
    "similarity_fn_name": one_of(None, *SIMILARITIES),
    "truncate_dim": is_whole,
    "requirements": one_of(None, {}),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How texts become tokens, and what embeddings are used for.

    `tokenizer` are arguments to load the tokenizer with, `max_seq_length` among them as `model_max_length`. Lengths of queries
    and documents count tokens; `None` leaves them to the tokenizer. `plain` says that the model has no files of
    sentence-transformers.
    """

    tokenizer: Mapping[str, object] = field(default_factory=dict)
    do_lower_case: bool = False
    query_length: int | None = None
    document_length: int | None = None
    prompts: Mapping[str, str] = field(default_factory=lambda: dict(NO_PROMPTS))
    default_prompt_name: str | None = None
    similarity_fn_name: str | None = None
    truncate_dim: int | None = None
    plain: bool = False


def read_settings(documents: Mapping[str, object]) -> Settings:
    """The settings of a model by its JSON files; the library reads none of them where there is no `modules.json`.

    Raises:
        SettingError: a key or value isn't known.
    """
    if MODULES not in documents:
        return Settings(plain=True)
    file = next((name for name in READERS if documents.get(name)), READERS[0])
    reading = checked(file, documents.get(file, {}), OF_READER)
    uses = checked(USES, documents.get(USES, {}), OF_USES)
    prompts = NO_PROMPTS | {name: text or "" for name, text in cast("dict[str, str]", uses.get("prompts", {})).items()}
    default = cast("str | None", uses.get("default_prompt_name"))
    if default is not None and default not in prompts:
        raise SettingError(USES, f"default_prompt_name is {default!a:.80}, but prompts names only {', '.join(prompts)}")
    return Settings(
        tokenizer=_tokenizer_arguments(reading),
        do_lower_case=bool(reading.get("do_lower_case")),
        query_length=cast("int | None", reading.get("query_length")),
        document_length=cast("int | None", reading.get("document_length")),
        prompts=prompts,
        default_prompt_name=default,
        similarity_fn_name=cast("str | None", uses.get("similarity_fn_name")),
        truncate_dim=cast("int | None", uses.get("truncate_dim")),
    )


def _tokenizer_arguments(reading: Mapping[str, object]) -> dict[str, object]:
    """The older name of the arguments wins over the newer, and they win over the key of their own, as in the library."""
    stated = cast("dict[str, object]", reading.get("tokenizer_args", reading.get("processor_kwargs")) or {})
    length = reading.get("max_seq_length")
    lengths = {} if length is None else {"model_max_length": length}
    return lengths | {name: value for name, value in stated.items() if name != DROPPED}


def setting_files(paths: Iterable[str]) -> list[str]:
    """Those of a model's files that hold its settings; none where there is no `modules.json`."""
    names = {*paths}
    return [path for path in (MODULES, USES, *READERS) if path in names] if MODULES in names else []
