from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.errors import SourceError
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.gguf import make_config, open_gguf
from neuronbuild.source.local import FolderSource
from tests.tools.fuzz import few
from tests.tools.gguf_files import write_llama


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_llama(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def memory():
    return DigestMemory(None)


def test_a_file_is_pinned_by_its_digest_and_its_header_tells_the_config(file, memory):
    model = open_gguf("./tiny.gguf", file, memory)
    assert model.config == {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "tie_word_embeddings": True,
        "max_position_embeddings": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 64,
        "hidden_size": 32,
        "rope_theta": 10000.0,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-05,
        "vocab_size": 32,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "head_dim": 16,
    }
    assert model.snapshot.weights == {"tiny.gguf": memory.digest(file)}
    assert model.open_file("tiny.gguf") == file


def test_the_config_means_what_transformers_reads_from_the_file(file, memory):
    import transformers

    theirs = transformers.AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
    ours = transformers.CONFIG_MAPPING["llama"].from_dict(dict(open_gguf("x", file, memory).config))
    for name in ("hidden_size", "rms_norm_eps", "rope_parameters", "head_dim", "vocab_size", "num_key_value_heads"):
        assert (
            getattr(ours, name) == pytest.approx(getattr(theirs, name))
            if name == "rms_norm_eps"
            else getattr(ours, name) == getattr(theirs, name)
        )


def test_a_head_of_its_own_is_not_the_embeddings(tmp_path, memory):
    assert open_gguf("x", write_llama(tmp_path / "a.gguf", tied=False), memory).config["tie_word_embeddings"] is False


def test_a_folders_file_is_found_from_the_recipe(file):
    model = FolderSource(file.parent, DigestMemory(None)).resolve("./tiny.gguf", None)
    assert list(model.snapshot.files) == ["tiny.gguf"]


def test_an_architecture_that_is_not_supported_is_told_with_those_that_are(tmp_path, memory):
    with pytest.raises(SourceError, match="architecture 'falcon' aren't supported") as caught:
        open_gguf("x", write_llama(tmp_path / "a.gguf", architecture="falcon"), memory)
    assert "qwen2" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"GGML" + bytes(40), "doesn't begin as one"),
        (b"GGUF" + struct.pack("<I", 9) + bytes(40), "version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "a list of 1,152,921,504,606,846,976 items"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 4) + b"name" + struct.pack("<I", 77), "unknown type 77"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1), "cut short"),
    ],
)
def test_what_is_no_gguf_file_is_told(tmp_path, memory, data, problem):
    (tmp_path / "a.gguf").write_bytes(data)
    with pytest.raises(SourceError, match=f"a.gguf is no GGUF file: .*{problem}"):
        open_gguf("x", tmp_path / "a.gguf", memory)


def test_a_file_that_changes_meanwhile_is_told(tmp_path, memory):
    file = write_llama(tmp_path / "a.gguf")
    model = open_gguf("x", file, memory)
    write_llama(file, seed=1)
    with pytest.raises(SourceError, match="changed while it was being used"):
        model.open_file("a.gguf")


@few
@given(st.data())
def test_damage_anywhere_in_a_header_is_an_error_or_another_config_and_nothing_else(file, data):
    whole = file.read_bytes()
    at = data.draw(st.integers(0, 1500))
    damaged = file.parent / "damaged.gguf"
    damaged.write_bytes(whole[:at] + data.draw(st.binary(min_size=1, max_size=9)) + whole[at + 4 :])
    with contextlib.suppress(SourceError):
        assert isinstance(open_gguf("x", damaged, DigestMemory(None)).config, dict)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"general.type": "adapter"}, "the GGUF file holds no model, but its adapter"),
        ({"general.type": "mmproj"}, "the GGUF file holds no model, but its mmproj"),
        ({"split.count": 3}, "it is one of 3 GGUF files"),
        ({"general.architecture": "unheard-of"}, "architecture 'unheard-of'"),
    ],
)
def test_a_file_that_is_no_whole_model_is_refused(fields, told):
    with pytest.raises(SourceError, match=told) as caught:
        make_config("m", {"general.architecture": "llama", **fields}, set())
    assert caught.value.hint


def test_lists_in_lists_without_end_are_refused(tmp_path):
    def text(words: bytes) -> bytes:
        return struct.pack("<Q", len(words)) + words

    array = struct.pack("<I", 9)  # the format's number for a list: one of one list of one list, and so on
    deep = b"".join(array + struct.pack("<Q", 1) for _ in range(5_000))
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    (tmp_path / "deep.gguf").write_bytes(header + text(b"a") + array + deep + struct.pack("<IQ", 0, 1) + b"1")
    with pytest.raises(SourceError, match="no GGUF file"):
        open_gguf("m", tmp_path / "deep.gguf", DigestMemory(None))


@pytest.mark.parametrize("name", ["a:b.gguf", "a\nb.gguf", "con.gguf"])
def test_a_file_with_an_unsafe_name_is_refused(tmp_path, name):
    write_llama(tmp_path / "a.gguf")
    (tmp_path / "a.gguf").rename(tmp_path / name)
    with pytest.raises(SourceError, match="unsafe path"):
        open_gguf("m", tmp_path / name, DigestMemory(None))
