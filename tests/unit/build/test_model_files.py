from __future__ import annotations

from neuronbuild.artifact.snapshot import Model, Snapshot
from neuronbuild.build.model_files import link_model
from neuronbuild.digest import digest_bytes


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
