"""Actions: everything that decides the bytes of one compile, and nothing else.

The document is what the worker is handed, so what is in the key is what is compiled.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuronbuild.artifact.fields import Field, canonical_fields, write_fields
from neuronbuild.digest import ActionKey, digest_json
from neuronbuild.tasks import all_sizes, dims, graph_inputs
from neuronbuild.tasks.loaders import TOOLCHAIN, outputs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.shape import Shape
    from neuronbuild.plan.subject import Subject

FORMAT = 3
"""Rises when the same document starts to mean other bytes. Every key changes with it."""

OWN = ("graph", "inputs", "shape")
"""What differs between actions of one model and one way to compile it, in canonical order; `inputs` follow from the rest."""

GAP = "\0"
"""Stands in the common text where a target's own values go: JSON never holds this character as it is."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its document and the key that the document gives.

    `common` is the digest of all but what is the action's `OWN`: the actions of one grid have it in common.
    """

    document: dict[str, object]
    key: ActionKey
    common: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is compiled: all of an action but model, graph and shape.

    `compiler` is the toolchain's word on its options, `weights` are digests by path where they are compiled in, and
    `attention` is the implementation where it isn't the family's own. `commits` are those of the model and of its parts where
    another tool is handed all of their files, by part.
    """

    dtype: str
    compiler: Mapping[str, object]
    fingerprint: Fingerprint
    weights: Mapping[str, str] | None = None
    attention: str | None = None
    commits: Mapping[str, str] | None = None


class ActionMaker:
    """Makes the actions of one model and one way to compile it: only graph and shape differ between them.

    A grid has thousands of points, and their common part is thousands of bytes, so the canonical text is put together from
    pieces that are made once. It is the same as that of the whole document: a property test holds the two together.
    """

    def __init__(self, subject: Subject, way: Way) -> None:
        own: dict[str, object] = {"attention": way.attention} if way.attention else {}
        if way.commits:
            own["commits"] = dict(way.commits)
        unasked: frozenset[str] = frozenset()
        if way.fingerprint.toolchain == TOOLCHAIN:
            own["outputs"] = outputs_of(subject.task, TOOLCHAIN)
            unasked = subject.left_out
        self._common: dict[str, object] = {
            "format": FORMAT,
            "kind": "compile",
            "task": subject.task.name,
            "model": {**subject.document, **own},
            "weights": dict(way.weights) if way.weights is not None else "separate",
            "dtype": way.dtype,
            "compiler": dict(way.compiler),
            "toolchain": way.fingerprint.as_json(),
        }
        fields = canonical_fields({**self._common, **dict.fromkeys(OWN)})
        text = write_fields(Field(each.path, GAP) if each.path[0] in OWN else each for each in fields)
        self._pieces = text.split(GAP)
        self._digest = digest_json(self._common).sha256
        self._inputs = {
            graph.name: (
                *(each for each in graph_inputs(graph, subject.family) if each.name not in unasked),
                *(each for each in graph.optional if each.name in subject.optional),
            )
            for graph in subject.task.every
        }
        self._sizes = subject.sizes

    def make(self, graph: str, shape: Shape) -> Action:
        """The action for one graph and shape."""
        sizes = shape.as_dict()
        known = self._sizes | all_sizes(sizes)
        inputs = [{"name": each.name, "dtype": each.dtype, "shape": dims(each.axes, known)} for each in self._inputs[graph]]
        head, middle, between, tail = self._pieces
        inputs_text = ",".join([_input_text(entry) for entry in inputs])
        shape_text = ",".join([f'"{axis}":{sizes[axis]}' for axis in sorted(sizes)])
        text = f'{head}"{graph}"{middle}[{inputs_text}]{between}{{{shape_text}}}{tail}'
        key = ActionKey(hashlib.sha256(text.encode()).hexdigest())
        return Action({**self._common, "graph": graph, "inputs": inputs, "shape": sizes}, key, self._digest)


def common_part(document: Mapping[str, object]) -> dict[str, object]:
    """A document without what is the action's own; its digest is the action's `common`."""
    return {name: value for name, value in document.items() if name not in OWN}


def _input_text(entry: Mapping[str, object]) -> str:
    """Twenty times as fast as the walk: names and dtypes need no escapes, and sizes are whole numbers."""
    sizes = str(entry["shape"]).replace(" ", "")
    return f'{{"dtype":"{entry["dtype"]}","name":"{entry["name"]}","shape":{sizes}}}'
