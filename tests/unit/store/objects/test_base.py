from __future__ import annotations

import pytest

from neuronbuild.store.objects.base import ObjectStore
from neuronbuild.store.objects.memory import MemoryObjects


def test_a_place_that_lacks_a_verb_cant_be_opened():
    class Half(ObjectStore):
        def read(self, name: str) -> bytes | None:
            return None

    with pytest.raises(TypeError, match="add_file"):
        Half()


def test_what_only_a_folder_can_do_has_a_default():
    objects = MemoryObjects()
    objects.append("lines", b"one\n")
    assert objects.local_path() is objects.local_path("lines") is objects.lock("lock") is objects.read("lines") is None
    assert objects.sweep(0.0) == 0
