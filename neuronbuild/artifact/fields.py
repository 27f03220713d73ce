"""The walk over an action's document: its fields in canonical order, and the canonical text that is written from them.

Keys are digests of that text, and explanations show those fields: what isn't a field of an action can't be in its key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from neuronbuild.digest import canonical_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Path = tuple[str, ...]
"""Names from the top of a document to a value in it."""


class Field(NamedTuple):
    """A value of a document that isn't a mapping (or is an empty one): where it stands, and its canonical JSON."""

    path: Path
    text: str


def canonical_fields(value: object, path: Path = ()) -> Iterator[Field]:
    """The fields of a JSON value, in the order in which its canonical text has them. A list is one field.

    Raises:
        ValueError: a number isn't finite.
    """
    if isinstance(value, dict) and value:
        for name in sorted(value):
            yield from canonical_fields(value[name], (*path, name))
    else:
        yield Field(path, canonical_text(value))


def write_fields(fields: Iterable[Field]) -> str:
    """The canonical text of the document that has these fields: what `canonical_json` makes of it."""
    parts: list[str] = []
    above: Path = ()
    for path, text in fields:
        if not path:
            return text  # the document is no mapping, or an empty one
        parents = path[:-1]
        shared = _shared(above, parents)
        parts.append("}" * (len(above) - shared) + "," if parts else "{")
        parts += [f"{canonical_text(name)}:{{" for name in parents[shared:]]
        parts.append(f"{canonical_text(path[-1])}:{text}")
        above = parents
    return "".join(parts) + "}" * (len(above) + 1)


def _shared(one: Path, other: Path) -> int:
    """How many names two paths have in common before they part."""
    for count, (name, same) in enumerate(zip(one, other, strict=False)):
        if name != same:
            return count
    return min(len(one), len(other))
