"""The actions of targets, with their keys.

What the worker is handed is the action's document, so what is in the key is what is compiled.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from neuronbuild.artifact.action import SEPARATE, CompileAction, InputPart
from neuronbuild.artifact.fields import Field, canonical_fields, write_fields
from neuronbuild.digest import ActionKey, digest_json
from neuronbuild.tasks import all_sizes, dims, graph_inputs
from neuronbuild.tasks.loaders import TOOLCHAIN, outputs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuronbuild.artifact.action import CompilerPart
    from neuronbuild.artifact.fingerprint import Fingerprint
    from neuronbuild.artifact.shape import Shape
    from neuronbuild.plan.subject import Subject

OWN = ("graph", "inputs", "shape")
"""What differs between actions of one model and one way to compile it, in canonical order; `inputs` follow from the rest."""

GAP = "\0"
"""Stands in the common text where a target's own values go: JSON never holds this character as it is."""


@dataclass(frozen=True, slots=True)
class KeyedAction:
    """An action and its key.

    `common` is the digest of all but what is the action's `OWN`: the actions of one grid have it in common.
    """

    record: CompileAction
    key: ActionKey
    common: str = field(default="", compare=False)

    @property
    def document(self) -> dict[str, object]:
        """The JSON form that the key is the digest of."""
        return self.record.document()


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How a model is compiled: all of an action but model, graph and shape.

    `compiler` is the toolchain's word on its options, `weights` are digests by path where they are compiled in, and
    `attention` is the implementation where it isn't the family's own. `commits` are those of the model and of its parts where
    another tool is handed all of their files, by part.
    """

    dtype: str
    compiler: CompilerPart
    fingerprint: Fingerprint
    weights: Mapping[str, str] | None = None
    attention: str | None = None
    commits: Mapping[str, str] | None = None


class ActionMaker:
    """Makes the actions of one model and one way to compile it: only graph and shape differ between them.

    A grid has thousands of points, and their common part is thousands of bytes, so the canonical text is put together from
    pieces that are made once. It is the same as that of the whole document: a property test holds the two together.
    """

    def __init__(self, subject: Subject, options: CompileOptions) -> None:
        is_loaded_elsewhere = options.fingerprint.name == TOOLCHAIN
        unasked = subject.left_out if is_loaded_elsewhere else frozenset()
        self._common = CompileAction(
            task=subject.task.name,
            model=replace(
                subject.model,
                attention=options.attention or subject.model.attention,
                commits=dict(options.commits) if options.commits else None,
                outputs=tuple(outputs_of(subject.task, TOOLCHAIN)) if is_loaded_elsewhere else subject.model.outputs,
            ),
            graph="",
            shape={},
            inputs=(),
            weights=dict(options.weights) if options.weights is not None else SEPARATE,
            dtype=options.dtype,
            compiler=options.compiler,
            toolchain=options.fingerprint,
        )
        common = common_part(self._common.document())
        fields = canonical_fields({**common, **dict.fromkeys(OWN)})
        text = write_fields(Field(each.path, GAP) if each.path[0] in OWN else each for each in fields)
        self._pieces = text.split(GAP)
        self._digest = digest_json(common).sha256
        self._inputs = {
            graph.name: (
                *(each for each in graph_inputs(graph, subject.family) if each.name not in unasked),
                *(each for each in graph.optional if each.name in subject.optional),
            )
            for graph in subject.task.every
        }
        self._sizes = subject.sizes

    def make(self, graph: str, shape: Shape) -> KeyedAction:
        """The action for one graph and shape."""
        sizes = shape.as_dict()
        known = self._sizes | all_sizes(sizes)
        inputs = tuple(InputPart(each.name, each.dtype, tuple(dims(each.axes, known))) for each in self._inputs[graph])
        head, middle, between, tail = self._pieces
        inputs_text = ",".join(map(_input_text, inputs))
        shape_text = ",".join([f'"{axis}":{sizes[axis]}' for axis in sorted(sizes)])
        text = f'{head}"{graph}"{middle}[{inputs_text}]{between}{{{shape_text}}}{tail}'
        key = ActionKey(hashlib.sha256(text.encode()).hexdigest())
        return KeyedAction(replace(self._common, graph=graph, inputs=inputs, shape=sizes), key, self._digest)


def common_part(document: Mapping[str, object]) -> dict[str, object]:
    """A document without what is the action's own; its digest is the action's `common`."""
    return {name: value for name, value in document.items() if name not in OWN}


def _input_text(entry: InputPart) -> str:
    """Twenty times as fast as the walk: names and dtypes need no escapes, and sizes are whole numbers."""
    sizes = ",".join(map(str, entry.shape))
    return f'{{"dtype":"{entry.dtype}","name":"{entry.name}","shape":[{sizes}]}}'
