"""Models in one GGUF file: the config that its header tells, as transformers would have written it.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Read here, and not by its own library, since planning is
to need no numpy, and takes milliseconds instead of seconds. The weights are read by transformers, when a release is made.
"""

from __future__ import annotations

import itertools
import mmap
import struct
from typing import TYPE_CHECKING, final

from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.errors import SourceError
from neuronbuild.files import UnsafeNameError, check_name

if TYPE_CHECKING:
    from pathlib import Path

    from neuronbuild.source.digests import DigestMemory

SUFFIX = ".gguf"
MAGIC = b"GGUF"
VERSIONS = (2, 3)

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY, FLOAT32 = 8, 9, 6
"""Types of values by the format's numbers."""

LONGEST_LIST = 1 << 24
"""More items than any vocabulary has: a header that says more is damaged."""

KEYS = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "embedding_length": "hidden_size",
    "rope.freq_base": "rope_theta",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "vocab_size": "vocab_size",
}
"""Keys behind the architecture's name, and transformers' words for them (its `integrations/ggml.py`)."""

HEAD_SIZE = {"llama": "rope.dimension_count", "mistral": "rope.dimension_count", "qwen3": "attention.key_length"}
TOKENS = {
    "bos_token_id": "tokenizer.ggml.bos_token_id",
    "eos_token_id": "tokenizer.ggml.eos_token_id",
    "pad_token_id": "tokenizer.ggml.padding_token_id",
}
VOCABULARY = "tokenizer.ggml.tokens"
SPLIT = "split.count"
"""How many files a model was split into."""

HEAD = "output.weight"
"""The tensor that scores words, which files leave out where it is the embedding's."""

CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
"""Architectures that are read, and transformers' class for each."""


def open_gguf(reference: str, path: Path, memory: DigestMemory) -> Model:
    """Pin a GGUF file.

    Raises:
        SourceError: it isn't one, or its architecture isn't supported.
    """
    try:
        check_name(path.name)
        config = make_config(reference, *_read_header(path))
        digest = memory.digest(path)
    except UnsafeNameError as error:
        raise SourceError(reference, f"it has an {error}", hint="rename the file") from None
    except OSError as error:
        raise SourceError(reference, f"{path} can't be read: {error.strerror}", hint="check its permissions") from None
    except (ValueError, struct.error, IndexError, OverflowError, RecursionError) as error:
        raise SourceError(reference, f"{path.name} is no GGUF file: {error}", hint="get the file again") from None

    def open_file(name: str) -> Path:
        if memory.digest(path) != digest:
            raise SourceError(reference, f"{name} changed while it was being used", hint="run the same command again")
        return path

    return Model(Snapshot(reference, None, {path.name: digest}), config, open_file)


def make_config(reference: str, fields: dict[str, object], tensors: set[str]) -> dict[str, object]:
    """The config of a model by its header's fields and the names of its tensors.

    Raises:
        SourceError: its architecture isn't supported, or it is only a part of a model.
    """
    if (part := fields.get("general.type", "model")) != "model":
        raise SourceError(reference, f"the GGUF file holds no model, but its {part}", hint="give the file of the model itself")
    if fields.get(SPLIT, 1) not in {0, 1}:
        hint = "merge its parts with llama.cpp's `llama-gguf-split --merge`, and give that file"
        raise SourceError(reference, f"it is one of {fields[SPLIT]} GGUF files, and transformers reads one only", hint=hint)
    kind = str(fields.get("general.architecture"))
    if kind not in CLASSES:
        raise SourceError(
            reference, f"GGUF models of architecture {kind!r} aren't supported", hint=f"supported: {', '.join(CLASSES)}"
        )
    config: dict[str, object] = {
        "model_type": kind,
        "architectures": [CLASSES[kind]],
        "tie_word_embeddings": HEAD not in tensors,
    }
    names = {f"{kind}.{key}": name for key, name in KEYS.items()} | {key: name for name, key in TOKENS.items()}
    if kind in HEAD_SIZE:
        names[f"{kind}.{HEAD_SIZE[kind]}"] = "head_dim"
    config |= {name: fields[key] for key, name in names.items() if key in fields}
    if VOCABULARY in fields:
        config["vocab_size"] = fields[VOCABULARY]
    return config


def _read_header(path: Path) -> tuple[dict[str, object], set[str]]:
    """Fields by name, lists by their length; and names of tensors."""
    if not path.is_file():
        raise ValueError("it isn't a regular file")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data)
        if reader.take(4) != MAGIC:
            raise ValueError("it doesn't begin as one")
        version = reader.scalar(4)
        if version not in VERSIONS:
            raise ValueError(f"version {version} of the format; versions {VERSIONS} are read")
        tensors, count = reader.count(), reader.count()
        fields = {reader.text(): reader.value(int(str(reader.scalar(4)))) for _ in range(count)}
        return fields, {reader.tensor() for _ in range(tensors)}


@final
class _Reader:
    """Values one after another."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise ValueError("it is cut short")
        self._at += count
        return self._data[self._at - count : self._at]

    def scalar(self, kind: int) -> int | float | bool:
        if kind not in SCALARS:
            raise ValueError(f"a value of unknown type {kind}")
        form = SCALARS[kind]
        [value] = struct.unpack(form, self.take(struct.calcsize(form)))
        number: int | float | bool = value
        return float(f"{number:.7g}") if kind == FLOAT32 else number  # seven digits are all that 32 bits hold

    def count(self) -> int:
        number = int(self.scalar(10))
        if number > LONGEST_LIST:
            raise ValueError(f"a list of {number:,} items")
        return number

    def text(self) -> str:
        return self.take(self.count()).decode("utf-8", errors="replace")

    def value(self, kind: int) -> object:
        if kind == STRING:
            return self.text()
        if kind != ARRAY:
            return self.scalar(kind)
        inner, count = int(self.scalar(4)), self.count()
        if inner in SCALARS:
            self.take(count * struct.calcsize(SCALARS[inner]))
        else:
            for _ in itertools.repeat(None, count):
                self.value(inner)
        return count

    def tensor(self) -> str:
        name, dimensions = self.text(), int(self.scalar(4))
        self.take(8 * dimensions + 4 + 8)  # sizes, type, place
        return name
