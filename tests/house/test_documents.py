"""What the documents list is what the tables hold: no task, class, axis or model type is missing, or one too many."""

from __future__ import annotations

import json
import re

import pytest

from neuronbuild.source import gguf
from neuronbuild.tasks import FAMILIES, TASKS, families_for
from neuronbuild.tasks.families import GENERATION
from tests.conftest import ROOT
from tests.tools import fault_matrix

RECIPES = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
MODELS = (ROOT / "docs/models.md").read_text(encoding="utf-8")
OURS = [name for name, task in TASKS.items() if task.graphs]
"""Tasks that have classes here, and not only in the tool that exports them."""


def rows(*titles: str) -> list[list[str]]:
    """The cells of a table by the titles of its columns."""
    head = f"| {' | '.join(titles)} |\n"
    assert RECIPES.count(head) == 1, head
    lines = RECIPES.partition(head)[2].splitlines()[1:]
    table = lines[: next(index for index, line in enumerate([*lines, ""]) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def names(cell: str) -> list[str]:
    """What a cell lists, without what it adds in brackets."""
    return re.sub(r"\(.*?\)", "", cell).replace(" ", "").split(",")


def listed() -> dict[str, list[str]]:
    """Model types by task, as the document says."""
    found: dict[str, list[str]] = {}
    same: list[str] = []
    for tasks, types in rows("task", "model types"):
        _, but, without = types.partition("the same without ")
        these = [name for name in same if name not in names(without)] if but else names(types)
        same = same if but else these
        found |= dict.fromkeys(names(tasks), these)
    return found


@pytest.mark.parametrize("task", OURS)
def test_recipes_say_the_class_and_the_axes_of_every_task(task):
    [cells] = [row for row in rows("task", "class", "axes that must be given") if names(row[0])[0].partition("(")[0] == task]
    assert cells[1] == f"`{TASKS[task].model_class}`"
    given, _, optional = cells[2].partition(";")
    assert tuple(name for name in names(given) if name != "none") == TASKS[task].mandatory
    assert set(re.findall(r"`(\w+)`", optional)) == set(TASKS[task].optional)


def test_recipes_say_which_model_types_do_every_task():
    found = listed()
    assert {task: found.get(task) for task in OURS} == {task: families_for(task) for task in OURS}


def test_every_model_type_stands_in_the_recipes():
    assert {name for types in listed().values() for name in types} >= {
        name for name, family in FAMILIES.items() if set(family.tasks) & set(OURS)
    }


def test_recipes_say_which_model_types_come_in_gguf_files():
    [cell] = [types for task, types in rows("task", "model types") if (task,) == GENERATION]
    [said] = re.findall(r"from GGUF files: (.*?)\)", cell)
    assert names(said) == sorted(gguf.CLASSES)


def test_the_classes_that_the_guide_names_are_there():
    there = {task.model_class for task in TASKS.values()}
    assert set(re.findall(r"Neuron(?:ModelFor|Sentence)\w+", MODELS)) <= there


def test_a_matrix_of_faults_tells_cases_that_are_missing():
    def said(fault: str, case: int, result: str = "told") -> str:
        return json.dumps({"where": "here", "fault": fault, "case": case, "of": 3, "result": result})

    whole = [said("all", case, "absorbed") for case in (0, 1, 2, 2)]
    page = fault_matrix.render([*whole, said("some", 0), said("some", 2, "absorbed")])
    rows = page.removeprefix(fault_matrix.HEAD).splitlines()
    assert rows == ["| here | all | 3 | absorbed |", "| here | some | 2 of 3 | absorbed 1, told 1 |"]


def test_the_matrix_of_faults_is_of_whole_runs():
    page = fault_matrix.PAGE.read_text()
    assert page.startswith(fault_matrix.HEAD)
    rows = [line.strip("| ").split(" | ") for line in page.removeprefix(fault_matrix.HEAD).splitlines()]
    assert [row for row in rows if not row[2].isdecimal()] == []
    assert ["a far store of two teams", "keys changed in any order", "720", "absorbed"] in rows
