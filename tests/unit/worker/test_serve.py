from __future__ import annotations

import json

import pytest

from neuronbuild.worker import registry, serve


@pytest.fixture
def answer(tmp_path, monkeypatch):
    """Run a job whose kind is done by a function, and give the answer."""

    def run(function) -> dict:
        monkeypatch.setitem(registry.KINDS, "convert", function)
        path = tmp_path / "job.json"
        path.write_text(json.dumps({"kind": "convert", "folder": str(tmp_path)}))
        return serve._run(str(path))

    return run


def test_an_answer_holds_the_result_and_the_seconds(answer, tmp_path):
    done = answer(lambda job: {"files": [job["folder"]]})
    assert done.pop("seconds") >= 0
    assert done == {"ok": True, "result": {"files": [str(tmp_path)]}}


def test_what_a_job_raises_is_its_answer_and_its_traceback_is_in_the_log(answer, capsys):
    done = answer(lambda job: job["nothing"])
    assert (done["ok"], done["error"]) == (False, {"class": "internal", "message": "KeyError: 'nothing'"})
    assert "Traceback" in capsys.readouterr().err


def test_a_job_that_cannot_be_read_is_answered(tmp_path):
    assert serve._run(str(tmp_path / "none.json"))["error"]["class"] == "system"
