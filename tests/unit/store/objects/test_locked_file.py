from __future__ import annotations

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.locked_file import LockedFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leases/file.lock"


def test_one_holder_has_it_at_a_time(path):
    first, second = LockedFile("store", path), LockedFile("store", path)
    assert first.acquire(0)
    assert not second.acquire(0)
    first.release(remove=False)
    assert second.acquire(0)
    second.release(remove=False)


@pytest.mark.parametrize("remove", [True, False])
def test_its_file_is_removed_where_that_is_wanted(path, remove):
    lock = LockedFile("store", path)
    lock.acquire(0)
    lock.release(remove=remove)
    assert path.exists() is not remove


def test_a_file_in_the_folders_place_is_an_error_of_the_store(path):
    path.parent.write_bytes(b"a file")
    with pytest.raises(StoreError, match=r"no lease can be taken: .*exists"):
        LockedFile("store", path).acquire(0)
