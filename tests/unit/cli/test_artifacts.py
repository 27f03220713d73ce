from __future__ import annotations

import datetime

import pytest

from neuronbuild.artifact.action import action_key
from neuronbuild.artifact.manifest import Check, FileEntry, Manifest, Provenance
from neuronbuild.cli.artifacts import age_text, model_of, row_of, summary, table
from neuronbuild.digest import Digest
from tests.unit.artifact.actions import compile_action

NOW = datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC)


def manifest(model: str | None = "org/one", **more) -> Manifest:
    action = compile_action()
    key = action_key(action)
    files = (FileEntry("model.pt2", Digest("ab" * 32, 1_500_000)),)
    built = Provenance("neuronbuild 0.1.0", "2026-01-01T00:00:00Z", 12.0)
    return Manifest(key, action, files, built, facts={"model": model} if model else {}, **more)


def test_a_table_has_a_heading_and_a_line_an_artifact_in_columns():
    first = manifest()
    heading, line = table([row_of(first)], NOW)
    assert heading.split() == ["KEY", "MODEL", "TASK", "SHAPE", "PLATFORM", "SIZE", "AGE"]
    assert line == f"{first.key[:12]}  org/one  fill-mask  batch_size=1, sequence_length=64  cpu       1.5 MB  2 d"
    assert heading.index("PLATFORM") == line.index("cpu")


def test_a_model_that_wasnt_noted_is_told_by_its_type():
    assert model_of(manifest(None)) == "bert"


def test_a_time_that_is_none_stands_as_it_is():
    assert age_text("long ago", NOW) == "long ago"


WORDS = ("key", "org/one", "fill-mask, graph forward", "torch 2.13.0", "model.pt2  1.5 MB", "2 d ago", "in 12.0 s")


@pytest.mark.parametrize("text", WORDS)
def test_a_summary_has_all_that_people_look_for(text):
    check = Check("random", "eager", {"logits": 1e-6}, {"logits": 1.0}, 1e-3)
    lines = [f"{name} {words}" for name, words in summary(manifest(checks=(check,)), NOW)]
    assert any(text in line for line in lines)
    assert "check random: at most 1.00e-06 off eager" in lines
