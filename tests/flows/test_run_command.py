"""`run`: a release tried from the command line. What each task prints is in `tests/unit/cli/test_run.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import transformers

from tests.conftest import ROOT, make_model, run_cli, write_recipe
from tests.flows.stores import applied, folder_of, refused
from tests.limits import SOON
from tests.tools.answers import assert_alike, make_vivid


def test_similarities_for_people(built, tmp_path):
    done = run_cli("run", built.releases["sentence-similarity"], "the cat sits", "a dog runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    score, first, second = done.stdout.strip().split("  ")
    assert -1 <= float(score) <= 1
    assert (first, second) == ("the cat sits", "a dog runs")


def test_only_json_goes_to_stdout_for_programs(built, tmp_path):
    done = run_cli("run", built.releases["text-classification"], "the cat sits", "--json", cwd=tmp_path)
    [row] = json.loads(done.stdout)
    assert row["label"] in {"LABEL_0", "LABEL_1", "LABEL_2"}
    assert 1 / 3 <= row["score"] <= 1


KINDS = {
    "cross-encoder": {"num_labels": 1},
    "regression": {"num_labels": 1, "problem_type": "regression"},
    "several": {"num_labels": 3, "problem_type": "multi_label_classification"},
}


@pytest.fixture(scope="module")
def scored(built, tmp_path_factory):
    """Models whose scores aren't a softmax, and what `apply` said of them."""
    root = tmp_path_factory.mktemp("scored")
    for name, config in KINDS.items():
        plain = make_model(root / "plain" / name, "AutoModelForSequenceClassification", **config)
        make_vivid(plain, root / "models" / name, name)
        shapes = {"batch_size": 2, "sequence_length": 16}
        write_recipe(root / f"recipes/{name}.yaml", name=name, model=str(root / "models" / name), shapes=shapes)
    return root, applied("recipes", "--cache", built.cache, cwd=root)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_what_the_models_labels_say(scored, kind):
    root, report = scored
    texts = ["the cat sits on a mat", "good dog", ""]
    done = run_cli("run", folder_of(report, kind), *texts, "--json", cwd=root)
    assert done.returncode == 0, done.stderr
    reference = transformers.pipeline("text-classification", model=str(root / "models" / kind), device="cpu")
    assert_alike(json.loads(done.stdout), [{**reference(text)[0], "text": text} for text in texts])


def test_files_that_cannot_be_read_are_told(built, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    for name, problem in (("nowhere.png", "there is no such file"), (".", "is a folder"), ("empty.png", "is empty")):
        assert problem in refused(2, "run", built.releases["image-classification"], name, cwd=tmp_path)


def test_a_text_that_is_too_long_is_refused_with_advice(built, tmp_path):
    said = refused(6, "run", built.releases["text-classification"], "the cat sits " * 9, cwd=tmp_path)
    assert "sequence_length=29 fit no compiled shape" in said
    assert "--fit cuts texts" in said


def test_what_is_no_release_is_told(built, tmp_path):
    assert "there is no such folder" in refused(6, "run", "nowhere", "text", cwd=tmp_path)
    assert "it is no release: it has no neuronbuild.json" in refused(6, "run", ".", "text", cwd=tmp_path)


@pytest.mark.parametrize("library", ["torch", "transformers", "numpy"])
def test_without_a_library_that_it_needs_it_says_how_to_get_it(library, built, tmp_path):
    (tmp_path / f"{library}.py").write_text(f'raise ImportError("No module named {library!r}")')
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    said = refused(5, "run", built.releases["fill-mask"], "the [MASK] sits", cwd=tmp_path, env=env)
    assert f"running a release needs torch and transformers: No module named {library!r}" in said
    assert "pip install 'neuronbuild[cpu]'" in said


def test_a_reader_that_goes_away_is_no_error_worth_words(built, tmp_path):
    command = [sys.executable, "-m", "neuronbuild", "cache", "ls", "--cache", str(built.cache)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(SOON) == 1
    process.stderr.close()
