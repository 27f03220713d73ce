"""docs/neuron-graphs.md, which `make front-end` writes, covers every graph for Neuron and says that all is well."""

from __future__ import annotations

import re

from tests.conftest import ROOT
from tests.tools.neuron_graphs import NONE, cases

ROWS = [
    [cell.strip() for cell in line.strip("|\n ").split("|")]
    for line in (ROOT / "docs/neuron-graphs.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [a-z0-9-]+ \| [a-z0-9_-]+ \| [a-z]+ \|", line) and not line.startswith("| task ")
]


def test_every_graph_of_the_task_table_has_a_row():
    assert sorted(" ".join(row[:3]) for row in ROWS) == sorted(name for name, _ in cases())


def test_every_graph_lowers_with_nothing_baked_and_no_operator_fallen():
    assert {tuple(row[3:6]) for row in ROWS} == {("yes", NONE, NONE)}


def test_every_graph_answers_as_eager_pytorch():
    assert all(float(row[7]) <= 1e-5 for row in ROWS)
    assert all(re.fullmatch("[0-9a-f]{12}", row[8]) for row in ROWS)
