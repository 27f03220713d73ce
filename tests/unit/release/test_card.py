from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from huggingface_hub import ModelCard

from neuronbuild.artifact.codec import decode
from neuronbuild.artifact.release_index import FORMAT, ReleaseIndex
from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.models import MODEL_CLASSES
from neuronbuild.release.card import render_card
from neuronbuild.tasks import OWN_TASKS, TASKS

FROM_HUB = Snapshot("my-org/my-model", "0123456789abcdef0123456789abcdef01234567", {}, license="apache-2.0")
FROM_FOLDER = Snapshot("./my model", None, {})


@pytest.fixture
def index(built) -> ReleaseIndex:
    return decode(ReleaseIndex, (built.releases["grid"] / "neuronbuild.json").read_bytes(), newest=FORMAT)


def table(card: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line.startswith("|")]


def test_the_hub_reads_the_metadata(index):
    data = ModelCard(render_card(index, FROM_HUB)).data
    assert (data.library_name, data.pipeline_tag) == ("neuronbuild", "feature-extraction")
    assert (data.base_model, data.license) == ("my-org/my-model", "apache-2.0")
    assert data.tags == ["neuronbuild", "ahead-of-time", "cpu"]


@pytest.mark.parametrize("task", OWN_TASKS)
def test_every_task_gives_metadata_that_the_hub_reads(index, task):
    card = ModelCard(render_card(replace(index, task=task), FROM_HUB))
    assert card.data.pipeline_tag == OWN_TASKS[task].pipeline_tag
    assert f"from neuronbuild import {MODEL_CLASSES[task].__name__}" in card.text


@pytest.mark.parametrize("task", [name for name in TASKS if name not in OWN_TASKS])
def test_what_another_tool_runs_names_its_class(index, task):
    card = ModelCard(render_card(replace(index, task=task, loader="optimum.neuron.NeuronFluxPipeline"), FROM_HUB))
    assert card.data.pipeline_tag in {"text-to-image", "image-to-image"}
    assert "from optimum.neuron import NeuronFluxPipeline" in card.text


def test_a_model_from_a_folder_has_no_base_model_on_the_hub(index):
    data = ModelCard(render_card(index, FROM_FOLDER)).data
    assert (data.base_model, data.license) == (None, None)


@pytest.mark.parametrize("text", ["a: b", "- x", '"quoted"', "# note", "yes", "1.0", "{x}", "multi\nline"])
def test_text_of_any_kind_stays_text_in_the_metadata(index, text):
    card = render_card(index, replace(FROM_HUB, model=text, license=text))
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert (metadata["base_model"], metadata["license"]) == (text, text)


def test_the_same_release_has_the_same_card(built, index):
    assert render_card(index, FROM_HUB) == render_card(index, FROM_HUB)
    shown = built.releases["grid"] / "README.md"
    assert [row[:3] for row in table(shown.read_text())[2:]] == [
        ["forward", "1", "8"],
        ["forward", "1", "32"],
        ["forward", "4", "32"],
    ]


def test_the_table_has_a_row_for_each_shape_with_the_largest_error(index):
    head, _, *rows = table(render_card(index, FROM_HUB))
    assert head == ["graph", "batch_size", "sequence_length", "error"]
    errors = [max(check.max_abs_error.values()) for bucket in index.buckets for check in bucket.checks]
    assert [float(row[3]) for row in rows] == [pytest.approx(error, rel=0.05, abs=1e-12) for error in errors]


def test_a_bucket_without_a_check_says_so(index):
    bare = replace(index, buckets=(replace(index.buckets[0], checks=()),))
    assert table(render_card(bare, FROM_HUB))[2][-1] == "not measured"


def test_what_a_release_can_and_cant_do_is_said(index):
    assert "Larger batches are split." in render_card(index, FROM_HUB)
    assert "Larger batches" not in render_card(replace(index, dynamic_batch_size=False), FROM_HUB)
    assert "no weights for it: pooler_output." in render_card(replace(index, omitted_outputs=("pooler_output",)), FROM_HUB)


def test_what_it_was_made_with_is_said(index):
    versions = index.toolchain["versions"]
    assert f"torch {versions['torch']}" in render_card(index, FROM_HUB)
    assert f"`my-org/my-model` at `{FROM_HUB.revision}`" in render_card(index, FROM_HUB)
