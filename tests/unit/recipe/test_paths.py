from __future__ import annotations

from neuronbuild.recipe.paths import MOST_BYTES, find_files, read_text


def test_a_folder_means_its_yaml_files_and_a_file_itself_each_once(tmp_path):
    for name in ("a.yaml", "b.yml", "c.txt", "neuronbuild.yaml", "deep/d.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    issues = []
    assert [file.name for file in find_files([tmp_path, tmp_path / "a.yaml"], recursive=False, issues=issues)] == [
        "a.yaml",
        "b.yml",
    ]
    assert len(find_files([tmp_path], recursive=True, issues=issues)) == 3
    assert issues == []


def test_what_isnt_there_or_cant_be_read_is_an_issue_and_no_error(tmp_path):
    issues = []
    assert find_files([tmp_path / "nosuch"], recursive=False, issues=issues) == []
    (tmp_path / "large.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    (tmp_path / "odd.yaml").write_bytes(b"\xff")
    assert [read_text(tmp_path / name, issues) for name in ("nosuch", "large.yaml", "odd.yaml")] == ["", "", ""]
    assert len(issues) == 4
