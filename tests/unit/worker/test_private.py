from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from neuronbuild.digest import digest_bytes
from neuronbuild.worker.errors import UserError
from neuronbuild.worker.package import refuse_unsafe
from neuronbuild.worker.private import private_copy


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_a_copy_holds_what_was_verified_whatever_becomes_of_the_file(tmp_path, size):
    data = bytes(range(256)) * (size // 256 + 1)
    file = tmp_path / "model.pt2"
    file.write_bytes(data)
    with private_copy(str(file), digest_bytes(data).sha256) as copy:
        file.write_bytes(b"other")
        assert Path(copy).read_bytes() == data
        assert Path(copy).stat().st_nlink == 0


def test_other_bytes_are_refused(tmp_path):
    (tmp_path / "model.pt2").write_bytes(b"other")
    with pytest.raises(UserError, match="was altered"), private_copy(str(tmp_path / "model.pt2"), digest_bytes(b"code").sha256):
        pass


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a\\..\\x"])
def test_a_package_with_an_entry_that_leads_elsewhere_is_refused(tmp_path, name):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("model/version", "1")
        archive.writestr(name, "x")
    (tmp_path / "model.pt2").write_bytes(data.getvalue())
    with pytest.raises(UserError, match="unsafe path"):
        refuse_unsafe(str(tmp_path / "model.pt2"))
