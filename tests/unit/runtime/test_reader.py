from __future__ import annotations

import errno
import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild import intact
from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.release_index import Binding, Bucket, ReleasedFile
from neuronbuild.artifact.shape import Shape
from neuronbuild.artifact.signature import Signature
from neuronbuild.errors import ReleaseError
from neuronbuild.release.folder import write_release
from neuronbuild.runtime import reader
from neuronbuild.runtime.reader import CompiledShape, read_index, read_release
from tests.conftest import SIZES
from tests.flows.stores import flip_a_byte
from tests.tools.fuzz import few
from tests.unit.release.made import made_request, trust_of
from tests.unit.release.requests import no_job
from tests.unit.runtime.releases import alter_index, copy_release, list_anew, read_manifest
from tests.unit.runtime.releases import read_index as index_of


@pytest.fixture
def release(built, tmp_path):
    return copy_release(built.releases["fill-mask"], tmp_path)


def refusal(folder) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        read_release(folder)
    assert str(folder) in str(caught.value)
    return caught.value


def test_a_release_is_read_with_its_buckets(built):
    read = read_release(built.releases["grid"])
    shapes = [{"batch_size": 1, "sequence_length": 8}, {"batch_size": 1, "sequence_length": 32}]
    shapes.append({"batch_size": 4, "sequence_length": 32})
    assert [bucket.shape for bucket in read.buckets] == [Shape.of(shape) for shape in shapes]
    assert all((bucket.folder / "model.pt2").is_file() for bucket in read.buckets)
    limits = read.buckets[0].limits
    assert (limits["input_ids"], limits["token_type_ids"]) == (SIZES["vocab_size"], 2)


@pytest.mark.parametrize(
    ("config", "none", "default", "types"),
    [
        ({"vocab_size": 99, "type_vocab_size": 2}, None, {"token_type_ids": 0}, 2),
        ({"text_config": {"vocab_size": 99, "type_vocab_size": 1}}, None, {"token_type_ids": 0}, 1),
        ({"vocab_size": 99}, None, {}, 99),
        ({"vocab_size": 99}, -1, {"token_type_ids": -1}, 99),
    ],
)
def test_token_types_may_be_left_out_only_where_some_number_says_the_same(tmp_path, config, none, default, types):
    known = CompiledShape("forward", Shape(()), tmp_path, tmp_path, Signature((), (), ()), config, {}, none).known
    assert known.defaults == {"attention_mask": 1, "pooling_mask": 1, **default}
    assert (known.limits["input_ids"], known.limits["token_type_ids"]) == (99, types)
    assert not known.ignored


def test_token_types_without_a_table_say_nothing(tmp_path):
    config = {"vocab_size": 99, "type_vocab_size": 0}
    known = CompiledShape("forward", Shape(()), tmp_path, tmp_path, Signature((), (), ()), config, {}).known
    assert (known.ignored, "token_type_ids" in known.limits) == ({"token_type_ids"}, False)


def test_a_folder_that_isnt_there_and_one_that_is_no_release_are_told_apart(tmp_path):
    assert "there is no such folder" in str(refusal(tmp_path / "nowhere"))
    assert "it is no release: it has no neuronbuild.json" in str(refusal(tmp_path))


def test_a_file_that_is_missing_is_named(release):
    (release / "model.safetensors").unlink()
    assert "model.safetensors is missing" in str(refusal(release))
    assert "neuronbuild apply" in refusal(release).hint


def test_a_file_that_is_cut_short_is_named_with_its_sizes(release):
    file = release / "model.safetensors"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:1000])
    assert f"model.safetensors is 1,000 bytes long instead of {size:,}" in str(refusal(release))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A release that nothing was compiled for, on a host that could run it."""
    monkeypatch.setattr(reader, "check_host", lambda *_: None)
    request, store = made_request(tmp_path, trust_of(tmp_path))
    write_release(request, store, no_job)
    return request.folder


@pytest.mark.parametrize(
    "path",
    [
        "chat_template.jinja",
        "added_tokens.json",
        "generation_config.json",
        "preprocessor_config.json",
        "tokenizer.4.0.0.json",
        "other.model",
        "additional_chat_templates/rag.jinja",
        "qformer_tokenizer/vocab.txt",
        "language_model/unigrams.txt",
    ],
)
def test_a_file_that_transformers_would_read_and_no_index_lists_is_refused(made, path):
    (made / path).parent.mkdir(exist_ok=True)
    (made / path).write_text("{}")
    found = refusal(made)
    assert f"{path} isn't listed in its neuronbuild.json" in str(found)
    assert "move it out of the folder" in found.hint


def test_a_link_to_such_a_file_is_refused_as_well(made):
    (made / "chat_template.jinja").symlink_to("/nowhere")
    assert "chat_template.jinja isn't listed" in str(refusal(made))


def test_notes_and_what_git_and_the_hub_leave_may_lie_in_a_release(made):
    for path in ("NOTES.md", "run.log", "LICENSE", ".gitattributes", ".git/config", ".git/config.json", ".cache/vocab.txt"):
        (made / path).parent.mkdir(exist_ok=True)
        (made / path).write_text("note")
    (made / "vocab.old").mkdir()
    assert read_release(made).folder == made


def test_a_folder_that_may_not_be_listed_is_told(made, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert "its folder can't be read: Permission denied" in str(refusal(made))


def test_a_folder_in_a_files_place_counts_as_missing(release):
    (release / "vocab.txt").unlink()
    (release / "vocab.txt").mkdir()
    assert "vocab.txt is missing" in str(refusal(release))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"format": 1}', "\0"])
def test_an_index_that_cant_be_read_is_told(release, text):
    (release / "neuronbuild.json").write_text(text)
    assert "its neuronbuild.json can't be read" in str(refusal(release))


def test_an_index_that_was_altered_is_refused(release):
    file = release / "neuronbuild.json"
    file.write_text(file.read_text().replace('"cpu"', '"gpu"'))
    assert "its seal doesn't fit" in str(refusal(release))


def test_a_release_of_a_later_version_says_to_upgrade(release):
    loaded = json.loads((release / "neuronbuild.json").read_text())
    (release / "neuronbuild.json").write_text(json.dumps({**loaded, "format": 99, "news": True}))
    assert "format 99" in str(refusal(release))
    assert refusal(release).hint == "install a newer neuronbuild"


def test_code_for_another_torch_is_not_opened(release):
    toolchain = index_of(release).toolchain
    alter_index(release, toolchain={**toolchain, "versions": {**toolchain["versions"], "torch": "1.13.1"}})
    assert "it was compiled with torch 1.13.1, here is torch " in str(refusal(release))
    assert "install torch 1.13.1" in refusal(release).hint


def test_code_for_another_cpu_is_not_opened(release):
    toolchain = index_of(release).toolchain
    flags = {**toolchain["flags"], "cpu_flags": [*toolchain["flags"]["cpu_flags"], "amx_future", "avx1024"]}
    alter_index(release, toolchain={**toolchain, "flags": flags})
    assert "it was compiled for a CPU with amx_future, avx1024, which this one lacks" in str(refusal(release))


@pytest.mark.parametrize("toolchain", [{}, {"versions": None}, {"versions": []}])
def test_code_for_no_known_torch_is_not_opened(release, toolchain):
    alter_index(release, toolchain=toolchain)
    assert "it was compiled with torch None" in str(refusal(release))


@pytest.mark.parametrize("platform", ["inf2", "trn1"])
def test_a_release_for_neuron_devices_is_told(release, platform):
    alter_index(release, platform=platform)
    assert f"it was compiled for {platform}, and this host has no Neuron device" in str(refusal(release))


def test_a_bucket_without_its_manifest_is_refused(release):
    index = index_of(release)
    (release / index.buckets[0].folder / "manifest.json").unlink()
    alter_index(release, files=tuple(file for file in index.files if not file.path.endswith("manifest.json")))
    assert "manifest.json can't be read" in str(refusal(release))


def test_a_bucket_that_holds_another_artifact_is_refused(built, release):
    other = read_manifest(built.releases["half"])
    path = f"{index_of(release).buckets[0].folder}/manifest.json"
    (release / path).write_bytes(encode(other))
    list_anew(release, path)
    assert "holds another artifact than the index says" in str(refusal(release))


def test_a_manifest_that_the_index_doesnt_list_so_is_refused(release):
    manifest = read_manifest(release)
    file = release / index_of(release).buckets[0].folder / "manifest.json"
    file.write_bytes(encode(replace(manifest, facts={**manifest.facts, "prefix": "tref"})))
    assert file.stat().st_size == len(encode(manifest))
    assert "manifest.json was altered" in str(refusal(release))


def test_weights_that_were_altered_and_kept_their_size_are_refused(release):
    flip_a_byte(release / "model.safetensors")
    assert "model.safetensors was altered: it holds other bytes than were released" in str(refusal(release))
    assert "neuronbuild apply" in refusal(release).hint


def test_a_release_is_read_once_for_each_state_of_its_files(release, monkeypatch):
    read, digest = [], intact.digest_file
    monkeypatch.setattr(intact, "digest_file", lambda path: read.append(path) or digest(path))
    read_release(release)
    assert len(read) == len(index_of(release).files)
    read_release(release)
    assert len(read) == len(index_of(release).files)


def test_a_release_of_no_bucket_is_refused(release):
    alter_index(release, buckets=())
    assert "it has no compiled shape" in str(refusal(release))


@pytest.mark.parametrize(
    "make",
    [
        lambda path: Binding(path, "x"),
        lambda path: Bucket("forward", {}, path, "key"),
        lambda path: ReleasedFile(path, "0" * 64, 1),
    ],
)
@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../../b", ""])
def test_no_path_leads_out_of_a_release(make, path):
    with pytest.raises(ValueError, match="unsafe path"):
        make(path)


@few
@given(cut=st.integers(0, 3000), flipped=st.integers(0, 3000), bit=st.integers(0, 7))
def test_no_damage_to_an_index_does_worse_than_being_refused(built, tmp_path_factory, cut, flipped, bit):
    folder = tmp_path_factory.mktemp("index")
    data = bytearray((built.releases["fill-mask"] / "neuronbuild.json").read_bytes())
    data[flipped % len(data)] ^= 1 << bit
    (folder / "neuronbuild.json").write_bytes(data[: len(data) - cut])
    with pytest.raises(ReleaseError):
        read_index(folder)
