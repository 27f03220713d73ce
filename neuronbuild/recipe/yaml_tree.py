"""YAML text to plain values, each with its place in the file.

Values are made from PyYAML's node tree and not by its constructor: so that duplicate keys are errors, places are known,
and a few lines of nested aliases can't grow into gigabytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, final

import yaml

from neuronbuild.errors import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_NODES = 100_000
"""Nodes in one document after aliases are followed. A recipe has tens."""

MOST_NODES = 200_000
"""Nodes in all documents of one run together: each takes up to a kilobyte of memory."""

MOST_DIGITS = 100
"""Characters of a whole number. Sizes have eight, and a number of thousands can't even be written into a message."""

MAX_DEPTH = 100
"""Levels of nesting. A recipe has four, and libyaml's composer recurses in C: some ten thousand would end the process."""

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
"""What YAML 1.1 reads as an octal number, and most people as a decimal one."""

OCTAL = "{text} begins with 0, which makes it an octal number in YAML: write {plain} (or quote it, where it is text)"

TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"

Keys = tuple[str | int, ...]
"""The way to a value from the top of its document: keys, and indexes of lists."""


@dataclass(slots=True)
class Document:
    """One YAML document: plain values, and the line and column (from 1) of each key and item.

    `lines` are those that it takes in its file, and `texts` what stands where a value isn't text.
    """

    value: object
    places: dict[Keys, tuple[int, int]] = field(default_factory=dict)
    lines: range = range(1, 1)
    texts: dict[Keys, str] = field(default_factory=dict)

    def place(self, path: Keys) -> tuple[int, int]:
        """Where a path stands, or the nearest part of it that stands anywhere."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


@final
@dataclass(slots=True)
class Budget:
    """How many nodes the documents of one run may still have: limits that count one file are passed by many files."""

    left: int = MOST_NODES

    def take(self, mark: _Mark | None, already: int) -> None:
        """Count a node of a document that has so many `already`.

        Raises:
            _LimitError: the document, or all of the run together, have too many.
        """
        self.left -= 1
        if already >= MAX_NODES:
            raise _LimitError(mark, f"more than {MAX_NODES:,} nodes once aliases are followed")
        if self.left < 0:
            raise _LimitError(mark, f"more than {MOST_NODES:,} nodes in all files together, once aliases are followed")


def read_documents(text: str, path: str, budget: Budget | None = None) -> tuple[list[Document], list[Issue]]:
    """All documents of a YAML text, or what is wrong with it. Empty documents are left out.

    `budget` is that of the run which the text is a part of.
    """
    issues: list[Issue] = []
    documents: list[Document] = []
    budget = budget or Budget()
    try:
        for node in _nodes(text):
            reader = _Reader(path, issues, budget)
            document = Document(reader.value(node, ()), reader.places, _lines(node), reader.texts)
            if document.value is not None:
                documents.append(document)
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark or error.context_mark)
        issues.append(Issue(path, *place, f"not YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:
        issues.append(Issue(path, 1, 1, f"not YAML: {' '.join(str(error).split())}"))
    except _LimitError as error:
        issues.append(Issue(path, *error.place, str(error)))
    return documents, issues


def _nodes(text: str) -> Iterator[yaml.Node]:
    if sum(map(text.count, "[{-?:,")) > MAX_DEPTH:  # every level takes one of the first five, every node one of all
        _refuse_size(text)
    loader = _LOADER(text)
    try:
        while loader.check_node():
            yield loader.get_node()
    finally:
        loader.dispose()


def _refuse_size(text: str) -> None:
    """Stop before nodes are made of a text that is nested too deeply, or that has too many in one document."""
    depth = count = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            count = 0 if isinstance(event, yaml.DocumentStartEvent) else count + isinstance(event, yaml.NodeEvent)
            if count > 2 * MAX_NODES:  # keys are events as well
                raise _LimitError(event.start_mark, f"more than {MAX_NODES:,} nodes")
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise _LimitError(event.start_mark, TOO_DEEP)
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in str(error.problem):  # libyaml's own limit: some releases have one, and look far ahead
            raise _LimitError(error.problem_mark, TOO_DEEP) from None
        # Any other error the composer meets too, after the documents before it.


class _Mark(Protocol):  # libyaml's marks and PyYAML's own share no class
    line: int
    column: int


class _LimitError(Exception):
    def __init__(self, mark: _Mark | None, problem: str) -> None:
        self.place = _place(mark)
        super().__init__(problem)


class _Reader:
    """Turns one document's nodes into values."""

    def __init__(self, path: str, issues: list[Issue], budget: Budget) -> None:
        self.places: dict[Keys, tuple[int, int]] = {}
        self.texts: dict[Keys, str] = {}
        self._path = path
        self._issues = issues
        self._budget = budget
        self._count = 0
        self._scalars = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, path: Keys) -> object:
        """The plain value of a node; the same node may be read at several places through aliases."""
        self._budget.take(node.start_mark, self._count)
        self._count += 1
        if len(path) > MAX_DEPTH:
            raise _LimitError(node.start_mark, f"nested more than {MAX_DEPTH} levels deep once aliases are followed")
        self.places.setdefault(path, _place(node.start_mark))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        value = self._scalar(node)
        if not isinstance(value, str):
            self.texts[path] = str(node.value)
        return value

    def _mapping(self, node: yaml.MappingNode, path: Keys) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key in result:
                self._issue(key_node, f"key {key!r} is given twice")
            self.places[(*path, key)] = _place(key_node.start_mark)
            result[key] = self.value(value_node, (*path, key))
        return result

    def _key(self, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._issue(node, "a key must be a plain word")
        elif node.value == "<<":
            self._issue(node, "merge keys are not supported; use `defaults:`")
        else:
            return str(node.value)
        return None

    def _scalar(self, node: yaml.Node) -> object:
        if node.tag == "tag:yaml.org,2002:timestamp" or (node.tag in NUMBERS and ":" in node.value):
            return node.value  # YAML 1.1 takes 1:30 for ninety, which nobody means
        if node.tag == NUMBERS[0] and len(node.value) > MOST_DIGITS:
            self._issue(node, f"a value of kind {node.tag} is not supported here if it has more than {MOST_DIGITS} digits")
            return None
        try:
            if node.tag == NUMBERS[0] and LEADING_ZERO.fullmatch(node.value):
                return self._decimal(node)
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, ArithmeticError):  # PyYAML's own for `!!bool x` and the like
            self._issue(node, f"a value of kind {node.tag} is not supported here")
            return None

    def _decimal(self, node: yaml.Node) -> int:
        """Refuse an octal number; the decimal one stands in its place, so that nothing else is said of it."""
        plain = int(node.value.replace("_", ""))
        self._issue(node, OCTAL.format(text=node.value, plain=plain))
        return plain

    def _issue(self, node: yaml.Node, message: str) -> None:
        self._issues.append(Issue(self._path, *_place(node.start_mark), message))


def _lines(node: yaml.Node) -> range:
    """A document's lines, from that of its first value to that of its end."""
    return range(node.start_mark.line + 1, node.end_mark.line + 2)


def _place(mark: _Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
