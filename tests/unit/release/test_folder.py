from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild.errors import BlobCorruptError, BlobMissingError, ReleaseError, SourceError
from neuronbuild.release.folder import Files, write_release
from tests.flows.stores import blob_of, contents, copy_store, flip_a_byte, manifest, records
from tests.unit.release.made import made_request, trust_of
from tests.unit.release.requests import failing_job, no_job, request_for
from tests.unit.store.disks import mounted


@pytest.fixture
def store(built, tmp_path):
    """A copy of the store in which no check is remembered."""
    folder = copy_store(built.cache, tmp_path / "store")
    for key in records(folder):
        if manifest(folder, key)["action"]["kind"] == "check":
            (folder / f"v1/actions/{key[:2]}/{key}.json").unlink()
    return folder


def hidden(output) -> list[str]:
    return sorted(path.name for path in output.iterdir() if path.name.startswith(".") and path.suffix != ".lock")


def test_a_release_holds_all_that_its_index_lists_and_nothing_else(built, tmp_path):
    request, store = request_for(built, "grid", tmp_path)
    write_release(request, store, no_job)
    index = json.loads((request.folder / "neuronbuild.json").read_text())
    files = {file["path"]: file["size"] for file in index["files"]}
    assert {name: len(data) for name, data in contents(request.folder).items() if name != "neuronbuild.json"} == files
    assert {bucket["folder"] for bucket in index["buckets"]} == {
        "buckets/forward-batch_size_1-sequence_length_8",
        "buckets/forward-batch_size_1-sequence_length_32",
        "buckets/forward-batch_size_4-sequence_length_32",
    }
    assert {"README.md", "config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"} <= set(files)


def test_the_same_request_gives_the_same_bytes_wherever_and_again(built, tmp_path):
    request, store = request_for(built, "fill-mask", tmp_path / "one")
    write_release(request, store, no_job)
    write_release(request, store, no_job)
    elsewhere = replace(request, folder=tmp_path / "two/elsewhere")
    write_release(elsewhere, store, no_job)
    assert contents(elsewhere.folder) == contents(request.folder) == contents(built.releases["fill-mask"])


@pytest.mark.parametrize("mode", ["auto", "hardlink", "copy"])
def test_however_files_get_there_they_are_the_same(built, tmp_path, mode):
    request, store = request_for(built, "fill-mask", tmp_path, copy_store(built.cache, tmp_path / "store"), link_mode=mode)
    write_release(request, store, no_job)
    assert contents(request.folder) == contents(built.releases["fill-mask"])


def test_a_users_weights_are_never_hard_linked_unless_asked_for(built, models, tmp_path):
    request, store = request_for(built, "fill-mask", tmp_path)
    write_release(request, store, no_job)
    weights = "model.safetensors"
    assert not (request.folder / weights).samefile(models["fill-mask"] / weights)


@pytest.fixture
def swapped(tmp_path):
    """A request whose model has a file that becomes a link to a private one as soon as it was checked."""
    request, store = made_request(tmp_path, trust_of(tmp_path))
    (tmp_path / "private").write_text("key")
    opened = request.model.open_file

    def open_file(name):
        path = opened(name)
        if name == "vocab.txt":
            path.unlink()
            path.symlink_to(tmp_path / "private")
        return path

    return replace(request, model=replace(request.model, open_file=open_file)), store


def test_a_file_of_the_model_that_was_swapped_once_it_was_checked_is_in_no_release(swapped, tmp_path):
    request, store = swapped
    with pytest.raises(SourceError, match=r"vocab\.txt changed while it was being used"):
        write_release(request, store, no_job)
    assert not request.folder.exists()
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("mode", ["auto", "hardlink", "copy"])
def test_nor_are_weights_however_they_get_there(swapped, tmp_path, mode):
    request, _ = swapped
    files = Files(tmp_path / "new")
    with pytest.raises(SourceError, match=r"vocab\.txt changed while it was being used"):
        files.link_model_file("vocab.txt", request.model.snapshot.files["vocab.txt"], replace(request, link_mode=mode))
    assert not (tmp_path / "new/vocab.txt").exists()


def test_a_failure_in_the_middle_leaves_the_old_release_as_it_was(built, store, tmp_path):
    request, good = request_for(built, "fill-mask", tmp_path / "out")
    write_release(request, good, no_job)
    before = contents(request.folder)
    changed, opened = request_for(built, "fill-mask", tmp_path / "out", store, dynamic_batch_size=True)
    with pytest.raises(ReleaseError, match="the check failed"):
        write_release(changed, opened, failing_job)
    assert contents(request.folder) == before
    assert hidden(tmp_path / "out") == []


def test_a_failure_leaves_nothing_where_nothing_was(built, store, tmp_path):
    request, opened = request_for(built, "fill-mask", tmp_path / "out", store)
    with pytest.raises(ReleaseError, match="the check failed"):
        write_release(request, opened, failing_job)
    assert not request.folder.exists()
    assert hidden(tmp_path / "out") == []


def test_what_a_killed_writer_left_is_cleared_away(built, tmp_path):
    request, store = request_for(built, "fill-mask", tmp_path)
    left = request.folder.with_name(f".{request.folder.name}.writing")
    left.mkdir()
    (left / "half").write_text("of a file")
    write_release(request, store, no_job)
    assert contents(request.folder) == contents(built.releases["fill-mask"])
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("name", ["README.md", "config.json", "neuronbuild.json", "model.safetensors"])
@pytest.mark.parametrize("kept", [None, 10])
def test_a_file_that_is_gone_or_cut_is_written_again(built, tmp_path, name, kept):
    request, store = request_for(built, "fill-mask", tmp_path)
    write_release(request, store, no_job)
    data = (request.folder / name).read_bytes()
    (request.folder / name).unlink()
    if kept:
        (request.folder / name).write_bytes(data[:kept])
    if name == "neuronbuild.json" and kept is None:
        with pytest.raises(ReleaseError, match=r"something else is in its place: README\.md"):
            write_release(request, store, no_job)
        return
    write_release(request, store, no_job)
    assert (request.folder / name).read_bytes() == data


def test_an_artifact_that_the_store_has_not_is_told(built, tmp_path):
    request, store = request_for(built, "fill-mask", tmp_path, tmp_path / "empty")
    with pytest.raises(BlobMissingError):
        write_release(request, store, no_job)
    assert not request.folder.exists()


def test_damaged_code_never_gets_into_a_release(built, store, tmp_path):
    request, opened = request_for(built, "fill-mask", tmp_path / "out", store)
    flip_a_byte(blob_of(store, request.keys[0], "model.pt2"))
    with pytest.raises(BlobCorruptError):
        write_release(request, opened, no_job)
    assert not request.folder.exists()


@pytest.mark.parametrize("strange", [".git/config", "buckets/other/model.pt2", "a"])
def test_a_file_that_no_release_put_there_is_named_and_kept(built, tmp_path, strange):
    request, store = request_for(built, "fill-mask", tmp_path)
    write_release(request, store, no_job)
    file = request.folder / strange
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text("mine")
    with pytest.raises(ReleaseError, match=f"something else is in its place: {strange}"):
        write_release(replace(request, dynamic_batch_size=True), store, no_job)
    assert file.read_text() == "mine"


def test_an_empty_folder_is_free_to_take(built, tmp_path):
    request, store = request_for(built, "fill-mask", tmp_path)
    request.folder.mkdir(parents=True)
    write_release(request, store, no_job)


def test_a_full_disk_is_told_and_leaves_nothing(built, tmp_path):
    with mounted(tmp_path / "disk", "size=300k"):
        request, store = request_for(built, "fill-mask", tmp_path / "disk/out")
        with pytest.raises(ReleaseError, match=r"disk/out/fill-mask-cpu.*No space left on device") as caught:
            write_release(request, store, no_job)
        assert "free some space" in caught.value.hint
        assert not request.folder.exists()
        assert hidden(tmp_path / "disk/out") == []


def test_a_place_that_cant_be_a_folder_is_told(built, tmp_path):
    (tmp_path / "file").write_text("")
    request, store = request_for(built, "fill-mask", tmp_path / "file")
    with pytest.raises(ReleaseError, match="can't be written") as caught:
        write_release(request, store, no_job)
    assert caught.value.hint == "choose an --output that can be written, then run again"
