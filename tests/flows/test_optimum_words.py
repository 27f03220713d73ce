"""The words of optimum-neuron that are held against ours, against those of the real one, where `OPTIMUM_NEURON_PYTHON` names an
interpreter that has it.
"""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.conftest import ROOT

PYTHON = os.environ.get("OPTIMUM_NEURON_PYTHON")

pytestmark = pytest.mark.skipif(PYTHON is None, reason="OPTIMUM_NEURON_PYTHON names no interpreter with optimum-neuron")


def test_the_words_on_record_are_those_of_the_real_one():
    command = [PYTHON, str(ROOT / "tests/tools/optimum_words.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    recorded = json.loads((ROOT / "tests/golden/optimum_words.json").read_text())
    assert json.loads(done.stdout) == recorded
