from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from neuronbuild.cli.run import run_command
from neuronbuild.errors import ReleaseError, ShapeError, UsageError
from tests.conftest import WORDS

LABELS = {"LABEL_0", "LABEL_1", "LABEL_2"}


def run(release, *texts: str):
    """Rows as JSON, and lines as people see them, of the same run."""
    outputs = []
    for options in (["--json"], []):
        done = CliRunner().invoke(run_command, [str(release), *texts, *options])
        if done.exception:
            raise done.exception
        outputs.append(done.stdout)
    rows, lines = json.loads(outputs[0]), outputs[1].splitlines()
    assert len(rows) == len(lines)
    return rows, lines


@pytest.mark.parametrize("task", ["feature-extraction", "sentence-similarity"])
def test_embeddings_are_compared_pair_by_pair(built, task):
    rows, lines = run(built.releases[task], "the cat sits", "a dog runs")
    assert [(row["a"], row["b"]) for row in rows] == [("the cat sits", "a dog runs")]
    assert -1 <= rows[0]["similarity"] <= 1
    assert lines == [f"{rows[0]['similarity']:.4f}  the cat sits  a dog runs"]


def test_a_text_is_most_like_itself(built):
    texts = ["the cat", "a red car", "the cat"]
    rows, _ = run(built.releases["grid"], *texts)
    same = next(row for row in rows if row["a"] == row["b"])
    assert same["similarity"] == pytest.approx(1, abs=1e-5)
    assert all(row["similarity"] < same["similarity"] for row in rows if row is not same)


def test_one_text_shows_its_embedding(built):
    [row], _ = run(built.releases["sentence-similarity"], "the cat")
    assert (row["text"], len(row["embedding"])) == ("the cat", 32)


def test_texts_are_labelled(built):
    rows, lines = run(built.releases["text-classification"], "good", "bad")
    assert [row["text"] for row in rows] == ["good", "bad"]
    assert all(row["label"] in LABELS and 1 / 3 <= row["score"] <= 1 for row in rows)
    assert lines[0] == f"{rows[0]['score']:.4f}  {rows[0]['label']}  good"


def test_tokens_are_labelled_but_for_the_tokenizers_own(built):
    rows, _ = run(built.releases["token-classification"], "the cat sits", "who")
    assert [row["token"] for row in rows] == ["the", "cat", "sits", "who"]
    assert all(row["label"] in LABELS for row in rows)


def test_the_likeliest_words_are_found_for_each_mask(built):
    rows, _ = run(built.releases["fill-mask"], "the [MASK] sits", "[MASK] [MASK]")
    assert [row["text"] for row in rows] == ["the [MASK] sits"] * 5 + ["[MASK] [MASK]"] * 10
    scores = [row["score"] for row in rows[:5]]
    assert scores == sorted(scores, reverse=True)


def test_a_text_without_a_mask_is_told_what_to_put_in(built):
    with pytest.raises(UsageError, match=r"'the cat' has no \[MASK\]") as caught:
        run(built.releases["fill-mask"], "the [MASK]", "the cat")
    assert caught.value.hint == "put [MASK] where a word is to be found"


def test_an_answer_is_taken_from_the_words_given(built):
    [row], [line] = run(built.releases["question-answering"], "who runs", "the dog runs")
    assert set(row["answer"].split()) <= set(WORDS)
    assert line == row["answer"]


@pytest.mark.parametrize("texts", [["who runs"], ["a", "b", "c"]])
def test_a_question_needs_its_context(built, texts):
    with pytest.raises(UsageError, match="takes two texts: a question, then a context"):
        run(built.releases["question-answering"], *texts)


def test_choices_share_the_probability(built):
    rows, _ = run(built.releases["multiple-choice"], "the cat", "sits", "runs")
    assert [row["choice"] for row in rows] == ["sits", "runs"]
    assert sum(row["score"] for row in rows) == pytest.approx(1)


def test_a_prompt_needs_choices(built):
    with pytest.raises(UsageError, match="takes a prompt, then the choices"):
        run(built.releases["multiple-choice"], "the cat")


def test_more_choices_than_were_compiled_are_refused(built):
    with pytest.raises(ShapeError, match="num_choices=3"):
        run(built.releases["multiple-choice"], "the cat", "a", "b", "c")


def test_a_long_text_is_cut_to_what_the_model_can_read(built):
    [row], _ = run(built.releases["text-classification"], "the cat sits on a mat " * 50)
    assert row["label"] in LABELS


@pytest.mark.parametrize("text", ["", " ", "\t", "😀", "x" * 10_000])
def test_any_text_gives_an_answer(built, text):
    [row], _ = run(built.releases["text-classification"], text)
    assert row["text"] == text


def test_what_is_no_release_is_refused(built, tmp_path):
    with pytest.raises(ReleaseError, match="it is no release"):
        run(tmp_path, "text")


def test_arguments_that_are_no_text_are_refused(built):
    with pytest.raises(UsageError, match="isn't UTF-8"):
        run(built.releases["fill-mask"], "\udcff\udcfe")
