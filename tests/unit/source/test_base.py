from __future__ import annotations

import pytest

from neuronbuild.errors import SourceError
from neuronbuild.source.base import read_config, refuse_remote_code


def config_file(tmp_path, text):
    file = tmp_path / "config.json"
    file.write_text(text)
    return file


def test_a_config_is_read(tmp_path):
    assert read_config("m", config_file(tmp_path, '{"model_type": "bert"}')) == {"model_type": "bert"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model_type": 7}', '{"hidden_size": 3}'])
def test_what_names_no_model_type_is_refused(tmp_path, text):
    with pytest.raises(SourceError, match=r"model m: its config\.json"):
        read_config("m", config_file(tmp_path, text))


def test_a_missing_config_says_what_to_give(tmp_path):
    with pytest.raises(SourceError, match=r"it has no config\.json") as caught:
        read_config("m", tmp_path / "config.json")
    assert caught.value.hint


def test_code_that_a_model_brings_is_refused_unless_it_is_trusted():
    config = {"model_type": "own", "auto_map": {"AutoModel": "own.Model"}}
    with pytest.raises(SourceError, match="Python code of its own") as caught:
        refuse_remote_code("m", config, trusted=False)
    assert "trust_remote_code" in (caught.value.hint or "")
    refuse_remote_code("m", config, trusted=True)
    refuse_remote_code("m", {"model_type": "bert"}, trusted=False)
