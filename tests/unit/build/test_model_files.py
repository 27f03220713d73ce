from __future__ import annotations

import pytest

from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.build.model_files import link_model, linked_model
from neuronbuild.digest import digest_bytes
from neuronbuild.errors import SourceError
from neuronbuild.source.digests import DigestMemory
from neuronbuild.source.local import open_folder


def test_just_the_snapshots_files_are_there_and_none_is_copied(tmp_path):
    source = tmp_path / "source"
    for name in ("config.json", "1_Pooling/config.json", "left-out.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    files = {name: digest_bytes(name.encode()) for name in ("config.json", "1_Pooling/config.json")}
    model = Model(Snapshot("x", None, files), {}, lambda name: source / name)
    link_model(model, tmp_path / "linked")
    found = {path.relative_to(tmp_path / "linked").as_posix() for path in (tmp_path / "linked").rglob("*") if path.is_file()}
    assert found == set(files)
    assert all((tmp_path / "linked" / name).is_symlink() for name in files)


def test_a_file_that_changed_while_a_worker_read_it_is_told(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").write_text('{"model_type": "bert"}')
    (source / "pytorch_model.bin").write_bytes(b"weights")
    model = open_folder("x", source, DigestMemory(None), trusted=False)
    with linked_model(model, tmp_path / "one"):
        pass
    with pytest.raises(SourceError, match=r"pytorch_model\.bin changed"), linked_model(model, tmp_path / "two"):
        (source / "pytorch_model.bin").write_bytes(b"others.")
