from __future__ import annotations

from pathlib import Path

from neuronbuild.recipe.located import Layer, Located, issue_at
from neuronbuild.recipe.schema import Recipe
from neuronbuild.recipe.yaml_tree import read_documents

OWN = "model: org/one\n"
DEFAULTS = "defaults:\n  compiler:\n    optlevel: 9\n"


def layer(name: str, text: str, top: tuple[str, ...] = ()) -> Layer:
    [document], _ = read_documents(text, name)
    return Layer(Path(name), document, top)


def test_a_fault_is_told_where_its_cause_was_written():
    own, below = layer("own.yaml", OWN), layer("below.yaml", DEFAULTS, ("defaults",))
    found = issue_at(("compiler", "optlevel"), "too high", own, (below,))
    assert (found.path, found.line, found.column) == ("below.yaml", 3, 5)
    assert issue_at(("model",), "gone", own, (below,)).path == "own.yaml"


def test_a_fault_of_what_nobody_wrote_is_told_in_the_recipe_itself():
    own, below = layer("own.yaml", OWN), layer("below.yaml", DEFAULTS, ("defaults",))
    assert issue_at(("task",), "missing", own, (below,)).path == "own.yaml"


def test_the_place_of_a_value_is_that_of_the_nearest_document_that_says_it():
    own, below = layer("own.yaml", OWN), layer("below.yaml", DEFAULTS, ("defaults",))
    located = Located(Recipe(model="org/one"), own.path, own.document, (below,))
    assert located.origin(("model",)) == "own.yaml:1"
    assert located.origin(("compiler", "optlevel")) == "defaults of below.yaml:3"
    assert located.origin(("task",)) is None
