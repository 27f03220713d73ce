from __future__ import annotations

import json

from tests.conftest import run_cli


def test_axes_are_told_for_people_and_for_programs(models, tmp_path):
    done = run_cli("axes", models["text2text-generation"], cwd=tmp_path)
    assert done.returncode == 0
    assert "mandatory  batch_size, sequence_length, num_beams" in done.stdout
    said = json.loads(run_cli("axes", models["fill-mask"], "--task", "multiple-choice", "--json", cwd=tmp_path).stdout)
    assert said["mandatory"] == ["batch_size", "sequence_length", "num_choices"]


def test_a_wrong_task_exits_with_2_and_a_missing_model_with_3(models, tmp_path):
    assert run_cli("axes", models["fill-mask"], "--task", "fill", cwd=tmp_path).returncode == 2
    assert run_cli("axes", "./nowhere", cwd=tmp_path).returncode == 3
