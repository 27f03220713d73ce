"""Actions: everything that decides the bytes of one compile, and nothing else.

The document is what the worker is handed, so what is in the key is what is compiled.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuronbuild.digest import ActionKey, canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.shape import Shape
    from neuronbuild.plan.subject import Subject
    from neuronbuild.recipe.target import Options

FORMAT = 1
"""Rises when the same document starts to mean other bytes. Every key changes with it."""

INTEGER = "int64"


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its document and the key that the document gives."""

    document: dict[str, object]
    key: ActionKey


class ActionMaker:
    """Makes the actions of one model, options and toolchain: only the shape differs between them.

    A grid has thousands of points and its common part is thousands of bytes, so that part is put into canonical form once.
    The key is the same as that of the whole document's canonical JSON.
    """

    def __init__(self, subject: Subject, options: Options, fingerprint: Fingerprint, weights: Mapping[str, str] | None) -> None:
        self._subject = subject
        self._common: dict[str, object] = {
            "format": FORMAT,
            "kind": "compile",
            "task": subject.task.name,
            "model": subject.document,
            "weights": dict(weights) if weights is not None else "separate",
            "dtype": options.dtype,
            "compiler": _compiler(options),
            "toolchain": fingerprint.as_json(),
        }
        self._fragments = {name: _field(name, value) for name, value in self._common.items()}
        self._names = sorted([*self._common, "graph", "inputs", "shape"])

    def make(self, graph: str, shape: Shape) -> Action:
        """The action for one graph and shape."""
        sizes = shape.as_dict()
        dims = [sizes[axis] for axis in self._subject.task.input_axes]
        inputs = [{"name": name, "dtype": INTEGER, "shape": dims} for name in self._subject.inputs]
        own = {"graph": graph, "inputs": inputs, "shape": sizes}
        fields = self._fragments | {name: _field(name, value) for name, value in own.items()}
        text = b"{" + b",".join(fields[name] for name in self._names) + b"}"
        return Action({**self._common, **own}, ActionKey(hashlib.sha256(text).hexdigest()))


def _field(name: str, value: object) -> bytes:
    return canonical_json(name) + b":" + canonical_json(value)


def _compiler(options: Options) -> dict[str, object]:
    """Options with what they don't decide left out: the type of a cast that isn't asked for, and Neuron's own on cpu."""
    document: dict[str, object] = {"auto_cast": options.auto_cast, "optlevel": options.optlevel}
    if options.auto_cast != "none":
        document["auto_cast_type"] = options.auto_cast_type
    if options.platform != "cpu":
        document |= {
            "extra_args": list(options.extra_args),
            "num_cores": options.num_cores,
            "dynamic_batch_size": options.dynamic_batch_size,
        }
    return document
