from __future__ import annotations

import shutil
import threading
from dataclasses import replace

import pytest
import torch
import transformers

from neuronbuild.errors import InputError, ReleaseError, ShapeError
from neuronbuild.release.swap import put_in_place
from neuronbuild.tasks import TASKS
from tests.unit.runtime.releases import alter_index, copy_release, list_anew, open_runner, random_inputs


@pytest.fixture(scope="module")
def eager(models):
    return transformers.AutoModel.from_pretrained(models["feature-extraction"]).eval()


@pytest.fixture(scope="module")
def grid(built):
    """Buckets of (1, 8), (1, 32) and (4, 32), with batches split."""
    return open_runner(built.releases["grid"])


@torch.no_grad()
def assert_equal_to_eager(runner, eager, inputs):
    """Every output that counts: positions that the mask leaves out may hold anything."""
    outputs, expected = runner.run(inputs), eager(**inputs)
    kept = inputs["attention_mask"].bool()
    assert torch.allclose(outputs["last_hidden_state"][kept], expected.last_hidden_state[kept], atol=1e-4)
    assert torch.allclose(outputs["pooler_output"], expected.pooler_output, atol=1e-4)
    assert outputs["last_hidden_state"].shape == expected.last_hidden_state.shape


@pytest.mark.parametrize("batch", range(1, 10))
def test_every_batch_and_length_gives_what_eager_pytorch_gives(grid, eager, batch):
    for length in (1, 7, 8, 9, 32):
        assert_equal_to_eager(grid, eager, random_inputs(batch, length, seed=batch * 100 + length))


def test_every_length_gives_what_eager_pytorch_gives(grid, eager):
    for length in range(1, 33):
        assert_equal_to_eager(grid, eager, random_inputs(3, length, seed=length))


def test_padding_changes_nothing_that_counts(grid, built):
    exact = open_runner(built.releases["feature-extraction"])  # compiled for (2, 16)
    inputs = random_inputs(2, 16, seed=5)
    kept = inputs["attention_mask"].bool()
    padded, bare = grid.run(inputs)["last_hidden_state"], exact.run(inputs)["last_hidden_state"]
    assert torch.allclose(padded[kept], bare[kept], atol=1e-5)


def test_outputs_for_other_tools_classes_arent_handed_on(built, monkeypatch):
    task = TASKS["feature-extraction"]
    [graph] = task.graphs
    changed = replace(task, graphs=(replace(graph, further={"pooler_output": ("batch_size", None)}),))
    monkeypatch.setitem(TASKS, task.name, changed)
    outputs = open_runner(built.releases["feature-extraction"]).run(random_inputs(2, 16, seed=5))
    assert list(outputs) == ["last_hidden_state"]


def test_rows_come_back_in_the_order_given(grid):
    inputs = random_inputs(9, 8, seed=3)
    together = grid.run(inputs)["pooler_output"]
    alone = [grid.run({name: tensor[row : row + 1] for name, tensor in inputs.items()})["pooler_output"] for row in range(9)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_strange_strides_change_nothing(built, eager):
    exact = open_runner(built.releases["feature-extraction"])
    inputs = random_inputs(2, 16)
    turned = {name: tensor.t().contiguous().t() for name, tensor in inputs.items()}
    assert_equal_to_eager(exact, eager, turned)
    assert_equal_to_eager(exact, eager, {**inputs, "attention_mask": torch.tensor([1] * 12 + [0] * 4).expand(2, 16)})


def test_a_token_that_the_model_doesnt_know_is_refused_and_the_process_lives_on(grid, eager):
    for strange in (120, 10**6, -1, -500):
        with pytest.raises(InputError, match="this model knows 0 to 119"):
            grid.run({"input_ids": torch.tensor([[5, strange]])})
    assert_equal_to_eager(grid, eager, random_inputs(1, 8))


def test_concurrent_calls_give_the_same_bits_as_sequential_ones(built):
    cases = [random_inputs(batch, length, seed=length) for batch in (1, 3, 6) for length in (5, 20)]
    sequential = [open_runner(built.releases["grid"]).run(case)["last_hidden_state"].clone() for case in cases]
    runner, wrong = open_runner(built.releases["grid"]), []

    def call(thread: int) -> None:
        for turn in range(3 * len(cases)):
            which = (thread + turn) % len(cases)
            if not torch.equal(runner.run(cases[which])["last_hidden_state"], sequential[which]):
                wrong.append(which)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_larger_batch_is_refused_unless_splitting_was_asked_for(built, tmp_path):
    release = copy_release(built.releases["grid"], tmp_path)
    alter_index(release, dynamic_batch_size=False)
    with pytest.raises(ShapeError, match="inputs of batch_size=5, sequence_length=8 fit no compiled shape"):
        open_runner(release).run(random_inputs(5, 8))
    assert open_runner(release).run(random_inputs(4, 8))["pooler_output"].shape == (4, 32)


def test_a_longer_sequence_is_refused(grid):
    with pytest.raises(ShapeError, match="sequence_length=33"):
        grid.run(random_inputs(1, 33))


def test_smaller_numbers_of_choices_are_padded_and_cut(built, models):
    runner = open_runner(built.releases["multiple-choice"])
    eager = transformers.AutoModelForMultipleChoice.from_pretrained(models["multiple-choice"]).eval()
    inputs = {name: tensor.unsqueeze(0) for name, tensor in random_inputs(1, 9).items()}
    with torch.no_grad():
        assert torch.allclose(runner.run(inputs)["logits"], eager(**inputs).logits, atol=1e-4)


def test_the_configs_padding_token_is_what_is_padded_with(built, tmp_path):
    release = copy_release(built.releases["grid"], tmp_path)
    text = (release / "config.json").read_text()
    for told, used in (('"pad_token_id": 7', 7), ('"pad_token_id": null', 0), ('"other": 1', 0)):
        (release / "config.json").write_text(text.replace('"pad_token_id": 0', told).ljust(len(text))[: len(text)])
        list_anew(release, "config.json")
        assert open_runner(release)._pad_token == used


def test_warming_runs_every_bucket_once(built):
    runner = open_runner(built.releases["grid"])
    assert runner._sessions._sessions == {}
    runner.warm()
    assert set(runner._sessions._sessions) == {0, 1, 2}


def test_code_and_weights_of_two_releases_are_never_mixed(built, tmp_path):
    release = copy_release(built.releases["grid"], tmp_path)
    runner = open_runner(release)
    small = runner.run(random_inputs(1, 8))["pooler_output"]
    put_in_place(copy_release(built.releases["grid"], tmp_path / "fresh"), release)
    with pytest.raises(ReleaseError, match="it was written anew since it was loaded"):
        runner.run(random_inputs(1, 32))
    assert torch.equal(runner.run(random_inputs(1, 8))["pooler_output"], small)
    assert open_runner(release).run(random_inputs(1, 32))["pooler_output"].shape == (1, 32)


def test_what_was_opened_before_a_release_was_removed_goes_on(built, tmp_path):
    release = copy_release(built.releases["feature-extraction"], tmp_path)
    runner = open_runner(release)
    runner.warm()
    before = runner.run(random_inputs(2, 16))["pooler_output"]
    shutil.rmtree(release)
    assert torch.equal(runner.run(random_inputs(2, 16))["pooler_output"], before)
