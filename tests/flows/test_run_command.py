"""`run`: a release tried from the command line. What each task prints is in `tests/unit/cli/test_run.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT, run_cli
from tests.flows.stores import refused
from tests.limits import SOON


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
