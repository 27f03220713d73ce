"""What stands between tokens and graphs; that the results are the library's is in test_sentences.py."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neuronbuild.artifact.shape import Shape
from neuronbuild.errors import InputError, ShapeError
from neuronbuild.models.embedding import Embedder, Wanted

SHAPES = [{"batch_size": 4, "sequence_length": 4}, {"batch_size": 2, "sequence_length": 8}]


class Echo:
    """Gives ids back as embeddings of one number, and their sum as that of the sentence."""

    def __init__(self) -> None:
        self.seen: list[dict[str, torch.Tensor]] = []

    def run(self, given):
        self.seen.append(given)
        tokens = given["input_ids"].float().unsqueeze(-1)
        return {"token_embeddings": tokens, "sentence_embedding": (tokens * given["attention_mask"].unsqueeze(-1)).sum(1)}


def embedder(tmp_path, **named):
    (tmp_path / "config.json").write_text('{"pad_token_id": 9}')
    buckets = [SimpleNamespace(shape=Shape.of(sizes)) for sizes in SHAPES]
    runner = Echo()
    index = SimpleNamespace(padding_matters=named.get("padding_matters", False))
    release = SimpleNamespace(folder=tmp_path, buckets=buckets, index=index)
    return Embedder(release, runner, leaves_prompts_out=named.get("leaves_prompts_out", False)), runner


def wanted(value="sentence_embedding", precision="float32", form="array", width=None):
    return Wanted(value, precision, form, normalize=False, width=width)


def tokens(*rows, **more):
    """A batch of rows that are padded on the right with 9."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[9] * (longest - len(row))] for row in rows])
    return {"input_ids": ids, "attention_mask": (ids != 9).long(), "modality": "text", **more}


def test_the_longest_texts_come_first_in_batches_of_a_size(tmp_path):
    made, _ = embedder(tmp_path)
    assert made.batches(["a", "abc", ("a", "bcde"), ""], 3) == [[2, 1, 0], [3]]
    assert made.batches([], 3) == []


@pytest.mark.parametrize("size", [0, -1, True, 1.5, None])
def test_batches_need_a_size(tmp_path, size):
    with pytest.raises(InputError, match="batch_size"):
        embedder(tmp_path)[0].batches(["a"], size)


def test_rows_run_without_the_padding_behind_them_and_results_come_in_the_order_of_the_texts(tmp_path):
    made, runner = embedder(tmp_path)
    read = [tokens([1, 2, 3, 4, 5, 6], [1, 2]), tokens([7], [8])]
    values = made.embed([[2, 0], [1, 3]], read, wanted(), show=False)
    assert values.tolist() == [[3], [7], [21], [8]]
    assert [given["input_ids"].tolist() for given in runner.seen] == [
        [[1, 2, 3, 4, 5, 6], [1, 2, 9, 9, 9, 9]],
        [[7], [8]],
    ]


def test_where_padding_matters_rows_keep_that_of_the_batch_and_only_those_of_one_length_run_together(tmp_path):
    made, runner = embedder(tmp_path, padding_matters=True)
    long, short = list(range(10, 18)), [1, 2, 3, 4]
    read = [tokens(short, [4]), tokens(long), *[tokens(short)] * 2]
    made.embed([[0, 1], [2], [3], [4]], read, wanted(), show=False)
    assert [given["input_ids"].tolist() for given in runner.seen] == [[long], [short, [4, 9, 9, 9], short, short]]


def test_where_padding_matters_nothing_is_run_unless_all_rows_are_of_a_compiled_length(tmp_path):
    made, runner = embedder(tmp_path, padding_matters=True)
    with pytest.raises(ShapeError, match="inputs of sequence_length=3 fit no compiled shape") as caught:
        made.embed([[0], [1]], [tokens([1, 2, 3, 4]), tokens([1, 2, 3])], wanted(), show=False)
    assert caught.value.hint.startswith("padding changes this model's results")
    assert runner.seen == []


def test_everything_is_wanted_with_the_padding_of_the_batch(tmp_path):
    made, _ = embedder(tmp_path)
    first, second = made.embed([[1, 0]], [tokens([1, 2, 3], [4])], wanted(None, width=0), show=False)
    assert second["token_embeddings"].flatten().tolist() == [1, 2, 3]
    assert (first["token_embeddings"].flatten().tolist(), first["input_ids"].tolist()) == ([4, 9, 9], [4, 9, 9])
    assert (first["modality"], first["sentence_embedding"].shape) == ("text", (0,))


def test_padding_on_the_left_stays_and_a_prompt_is_counted_from_behind_it(tmp_path):
    made, runner = embedder(tmp_path, leaves_prompts_out=True)
    ids = torch.tensor([[9, 9, 1, 2, 3]])
    batch = {"input_ids": ids, "attention_mask": (ids != 9).long(), "prompt_length": 2}
    made.embed([[0]], [batch], wanted(), show=False)
    assert runner.seen[0]["input_ids"].tolist() == ids.tolist()
    assert runner.seen[0]["pooling_mask"].tolist() == [[0, 0, 0, 0, 1]]


def test_nothing_is_run_where_one_text_is_too_long(tmp_path):
    made, runner = embedder(tmp_path)
    with pytest.raises(ShapeError) as caught:
        made.embed([[0], [1]], [tokens([*[1] * 9]), tokens([1])], wanted(), show=False)
    assert "set max_seq_length = 8" in caught.value.hint
    assert runner.seen == []


@pytest.mark.parametrize(("form", "kind"), [("array", np.ndarray), ("tensor", torch.Tensor), ("list", list)])
def test_results_come_in_the_form_that_is_wanted(tmp_path, form, kind):
    made, _ = embedder(tmp_path)
    assert isinstance(made.embed([[0]], [tokens([1])], wanted(form=form), show=False), kind)
    assert len(made.embed([], [], wanted(form=form), show=False)) == 0


@pytest.mark.parametrize(
    "arguments",
    [{"value": "logits"}, {"precision": "int4"}, {"value": None, "precision": "int8"}, {"width": 2.5}, {"width": True}],
)
def test_what_nothing_can_be_made_of_is_refused(arguments):
    with pytest.raises(InputError):
        wanted(**arguments)
