from __future__ import annotations

import dataclasses
import re

import pytest

from neuronbuild.plan.troubles import TROUBLES
from neuronbuild.recipe.target import Options
from neuronbuild.sdks import SDKS
from neuronbuild.tasks import FAMILIES, PIPELINES
from tests.conftest import ROOT

PAGE = (ROOT / "docs/neuron.md").read_text(encoding="utf-8")
HEAD = "| SDK | models | with | what happens | who says so | what to do |\n"
FIELDS = {field.name for field in dataclasses.fields(Options)}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_every_row_is_of_releases_models_and_options_that_there_are(trouble):
    assert trouble.families
    assert set(trouble.families) <= {*FAMILIES, *PIPELINES}
    assert trouble.last is None or trouble.last in SDKS
    assert re.fullmatch(r"2\.\d+\.\d+", trouble.first)
    assert {name for name, _ in trouble.options} <= FIELDS


def test_what_is_refused_has_an_option_to_blame():
    assert [trouble for trouble in TROUBLES if trouble.outcome == "refused" and not trouble.options] == []


def test_the_guide_lists_every_row():
    assert PAGE.count(HEAD) == 1
    lines = PAGE.partition(HEAD)[2].splitlines()[1:]
    table = lines[: next(index for index, line in enumerate([*lines, ""]) if not line.startswith("|"))]
    said = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [(sdk, models, sources) for sdk, models, _, _, sources, _ in said] == [
        (
            f"{trouble.first} to {trouble.last}" if trouble.last else f"from {trouble.first} on",
            ", ".join(trouble.families),
            trouble.source,
        )
        for trouble in TROUBLES
    ]
