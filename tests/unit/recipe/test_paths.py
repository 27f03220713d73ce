from __future__ import annotations

import os

import pytest

from neuronbuild.recipe.paths import MOST_BYTES, WORKSPACE_FILE, find_files, read_text, yaml_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.yaml", "a.yml", "notes.txt", WORKSPACE_FILE, "deep/c.yaml"):
        (tmp_path / name).write_text("a: b")
    return tmp_path


def test_a_folder_means_its_yaml_files_but_not_the_workspaces_own(folder):
    assert [path.name for path in yaml_files(folder, recursive=False)] == ["a.yml", "b.yaml"]
    assert [path.name for path in yaml_files(folder, recursive=True)] == ["a.yml", "b.yaml", "c.yaml"]


def test_a_file_is_found_once_however_often_it_is_asked_for(folder):
    issues = []
    found = find_files([folder / "b.yaml", folder, folder / "none.yaml"], recursive=False, issues=issues)
    assert [path.name for path in found] == ["b.yaml", "a.yml"]
    assert [issue.message for issue in issues] == ["no such file or folder"]


def test_what_cant_be_read_is_an_issue(folder):
    issues = []
    (folder / "large.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    (folder / "bytes.yaml").write_bytes(b"\xff")
    os.mkfifo(folder / "pipe.yaml")
    for name in ("large", "bytes", "pipe"):
        assert read_text(folder / f"{name}.yaml", issues) == ""
    assert len(issues) == 3
    assert read_text(folder / "b.yaml", issues) == "a: b"
