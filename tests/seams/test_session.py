"""What every session promises, held for each kind there is and each release that `built` has."""

from __future__ import annotations

import threading

import pytest
import torch

from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.session import AotiSession, Session
from neuronbuild.runtime.tensors import Tensors

RECIPES = ["fill-mask", "multiple-choice", "sentence-similarity", "grid", "cast-matmul", "cast-all", "half", "quick"]


def inputs_of(bucket, seed: int = 0) -> list[torch.Tensor]:
    """Tensors of just the shapes and dtypes that a graph takes."""
    generator = torch.Generator().manual_seed(seed)
    highest = {"input_ids": 120, "attention_mask": 2, "token_type_ids": 2}
    return [torch.randint(0, highest[spec.name], spec.shape, generator=generator) for spec in bucket.signature.inputs]


@pytest.fixture(params=RECIPES)
def opened(built, request):
    """The session of a release's last bucket."""
    read = read_release(built.releases[request.param])
    bucket = read.buckets[-1]
    return bucket, AotiSession(bucket, Tensors(read.folder, read.index).constants(bucket))


def test_it_is_a_session(opened):
    assert isinstance(opened[1], Session)


def test_outputs_come_as_the_signature_says(opened):
    bucket, session = opened
    outputs = session.run(inputs_of(bucket))
    assert [tuple(tensor.shape) for tensor in outputs] == [spec.shape for spec in bucket.signature.outputs]
    assert [str(tensor.dtype) for tensor in outputs] == [f"torch.{spec.dtype}" for spec in bucket.signature.outputs]


def test_the_same_inputs_give_the_same_bits(opened):
    bucket, session = opened
    first = [tensor.clone() for tensor in session.run(inputs_of(bucket))]
    assert all(torch.equal(one, other) for one, other in zip(first, session.run(inputs_of(bucket)), strict=True))


def test_other_inputs_give_other_values(opened):
    bucket, session = opened
    one, other = session.run(inputs_of(bucket, 1))[0], session.run(inputs_of(bucket, 2))[0]
    assert not torch.equal(one, other)


def test_inputs_are_left_as_they_are(opened):
    bucket, session = opened
    inputs = inputs_of(bucket)
    before = [tensor.clone() for tensor in inputs]
    session.run(inputs)
    assert all(torch.equal(one, other) for one, other in zip(inputs, before, strict=True))


def test_results_outlive_the_next_call(opened):
    bucket, session = opened
    first = session.run(inputs_of(bucket, 1))[0]
    kept = first.clone()
    session.run(inputs_of(bucket, 2))
    assert torch.equal(first, kept)


def test_threads_may_call_it_at_once(opened):
    bucket, session = opened
    expected = [session.run(inputs_of(bucket, seed))[0].clone() for seed in range(4)]
    wrong = []

    def call(seed: int) -> None:
        inputs = inputs_of(bucket, seed)
        wrong.extend(seed for _ in range(20) if not torch.equal(session.run(inputs)[0], expected[seed]))

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
