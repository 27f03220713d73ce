"""Links where a release is about to be written: what they lead to stays as it is."""

from __future__ import annotations

import pytest

from neuronbuild.errors import ReleaseError
from neuronbuild.release.folder import _writing


@pytest.mark.parametrize("name", [".bert.lock", ".bert.writing"])
@pytest.mark.parametrize("target", ["victim.txt", "documents"])
def test_a_link_in_the_place_of_a_lock_or_of_what_is_written_is_refused_by_name(name, target, tmp_path):
    (tmp_path / "documents").mkdir()
    for file in ("victim.txt", "documents/old.txt"):
        (tmp_path / file).write_bytes(b"precious")
    output = tmp_path / "releases"
    output.mkdir()
    (output / name).symlink_to(tmp_path / target)
    with pytest.raises(ReleaseError, match=name), _writing(output / "bert"):
        pytest.fail("it was begun")
    assert [(tmp_path / file).read_bytes() for file in ("victim.txt", "documents/old.txt")] == [b"precious"] * 2
    assert [path.name for path in (tmp_path / "documents").iterdir()] == ["old.txt"]
