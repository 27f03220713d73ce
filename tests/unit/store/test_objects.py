from __future__ import annotations

import pytest

from neuronbuild.store.local import LocalObjects
from neuronbuild.store.memory import MemoryObjects
from neuronbuild.store.objects import Entry, ObjectStore


def test_a_place_that_lacks_a_verb_cant_be_opened():
    class Half(ObjectStore):
        def read(self, name: str) -> bytes | None:
            return None

    with pytest.raises(TypeError, match="add_file"):
        Half()


def test_all_places_answer_to_the_same_verbs(tmp_path):
    assert all(isinstance(place, ObjectStore) for place in (MemoryObjects(), LocalObjects(tmp_path)))


def test_an_entry_says_name_size_and_stamp():
    assert Entry("v1/a", 3, "s", 1.5)._asdict() == {"name": "v1/a", "size": 3, "stamp": "s", "used": 1.5}
