"""Requests drawn by seed: each is answered token for token as by eager transformers, or refused by name."""

from __future__ import annotations

import shutil
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import transformers

from neuronbuild import NeuronModelForCausalLM, NeuronModelForSeq2SeqLM, NeuronModelForSpeechSeq2Seq
from neuronbuild.errors import NeuronBuildError
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.sessions import Sessions
from neuronbuild.tasks import families_for
from tests.tools.exported import export_graphs
from tests.tools.generation import Draw, Pair, answer, difference
from tests.tools.tiny import tiny_answerer, tiny_decoder


@dataclass(frozen=True)
class Kind:
    """A generating class: its task, its eager one, and the graphs that it is exported to."""

    task: str
    model_class: type
    eager_class: type
    graphs: tuple


TEXT = {"batch_size": 2, "sequence_length": 48}
KINDS = {
    "text": Kind(
        "text-generation",
        NeuronModelForCausalLM,
        transformers.AutoModelForCausalLM,
        (("prefill", {**TEXT, "prefill_length": 8}), ("decode", {**TEXT, "num_beams": 2})),
    ),
    "answers": Kind(
        "text2text-generation",
        NeuronModelForSeq2SeqLM,
        transformers.AutoModelForSeq2SeqLM,
        (("encoder", {"batch_size": 2, "sequence_length": 24}), ("decoder", {**TEXT, "sequence_length": 24, "num_beams": 2})),
    ),
    "speech": Kind(
        "speech-seq2seq",
        NeuronModelForSpeechSeq2Seq,
        transformers.AutoModelForSpeechSeq2Seq,
        (("encoder", {"batch_size": 2}), ("decoder", {**TEXT, "sequence_length": 40, "num_beams": 2})),
    ),
}
FAMILIES = [(kind, family) for kind in KINDS for family in families_for(KINDS[kind].task)]
REQUESTS = 300


def refusals(pair: Pair, kind: str, seeds: range) -> int:
    """How many of some requests are refused; the others are answered as they should be."""
    refused = 0
    for seed in seeds:
        request = Draw(seed, kind).request()
        pair.write(request)
        with warnings.catch_warnings(action="ignore"):
            expected, got = answer(pair.open_eager, request), answer(pair.open, request)
        told = difference(got, expected, request)
        if told and isinstance(got, Exception):
            traceback.print_exception(got)
        assert not told, f"{kind} {seed}: {told}; {request}"
        refused += isinstance(got, NeuronBuildError)
    return refused


def use(folder: Path) -> None:
    """Put the config aside: each request has one of its own."""
    (folder / "config.json").rename(folder / "plain_config.json")


@pytest.mark.parametrize(("kind", "seeds"), [("text", range(10)), ("answers", range(8)), ("speech", range(8))])
def test_compiled_models_answer_as_eager_ones_do(kind, seeds, built, models, tmp_path):
    task = KINDS[kind].task
    folder, release = shutil.copytree(models[task], tmp_path / kind), read_release(built.releases[task])
    use(folder)
    pair = Pair(folder, KINDS[kind].model_class, KINDS[kind].eager_class, release.buckets, Sessions(release))
    assert refusals(pair, kind, seeds) <= len(seeds) / 2


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "family"), FAMILIES)
def test_every_family_answers_as_eager_transformers_does(kind, family, tmp_path):
    each = KINDS[kind]
    eager = tiny_decoder(family) if kind == "text" else tiny_answerer(family)
    eager.save_pretrained(tmp_path)
    use(tmp_path)
    torch.manual_seed(0)
    sessions, buckets = export_graphs(eager, each.task, list(each.graphs))
    count, first = -(-REQUESTS // len(FAMILIES)), 100 * FAMILIES.index((kind, family))
    pair = Pair(tmp_path, each.model_class, each.eager_class, tuple(buckets), sessions)
    assert refusals(pair, kind, range(first, first + count)) < count / 2 + 3
