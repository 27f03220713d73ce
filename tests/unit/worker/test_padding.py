from __future__ import annotations

import pytest
import torch

from neuronbuild.artifact.codec import decode_part
from neuronbuild.artifact.manifest import PADDING, Check
from neuronbuild.worker import graph, graph_classes, padding
from tests.conftest import SIZES
from tests.senses import CASES
from tests.tools.action_keys import CPU
from tests.tools.tiny import OWN_ENCODER
from tests.unit.plan.cases import make_action

SHAPE = {"batch_size": 2, "sequence_length": 16, "num_choices": 3}


def measured(family: str, task: str, sizes=SHAPE, **config) -> list[Check]:
    config = config or {**SIZES, **OWN_ENCODER.get(family, {}), "num_labels": 5}
    options = {"auto_cast": "none", **CPU}
    document = make_action(config={"model_type": family, **config}, task=task, sizes=sizes, **options).document
    module = graph_classes.open_graph(graph.make_model(document, torch.float32), document)
    return list(decode_part(tuple[Check, ...], padding.measure(module)))


@pytest.mark.parametrize(
    ("family", "task", "changes"),
    [
        ("bert", "feature-extraction", False),
        ("bert", "multiple-choice", False),
        ("roberta", "text-classification", False),
        ("xlm", "question-answering", False),
        ("modernbert", "token-classification", False),
        ("convbert", "feature-extraction", True),  # a convolution runs over padding
        ("mobilebert", "feature-extraction", True),  # each embedding holds its neighbours'
        ("mobilebert", "text-classification", True),
        ("roformer", "feature-extraction", False),
        ("roformer", "multiple-choice", True),  # it looks at the last position, whatever is there
    ],
)
def test_whether_padding_changes_results_is_seen(family, task, changes):
    [check] = measured(family, task)
    assert (check.kind, check.is_exceeded) == (PADDING, changes)
    assert set(check.max_abs_error) == set(check.scale)


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm", "hubert"])
def test_sound_without_a_mask_is_changed_by_padding(family):
    config, sizes = CASES[family, "audio-classification"]
    [check] = measured(family, "audio-classification", sizes, **config)
    assert check.is_exceeded


def test_a_model_that_takes_no_other_length_counts_as_changed():
    config, sizes = CASES["audio-spectrogram-transformer", "audio-classification"]
    [check] = measured("audio-spectrogram-transformer", "audio-classification", sizes, **config)
    assert (check.max_abs_error, check.is_exceeded) == ({}, True)


def test_nothing_is_measured_where_nothing_is_padded():
    config, sizes = CASES["vit", "image-classification"]
    assert measured("vit", "image-classification", sizes, **config) == []
