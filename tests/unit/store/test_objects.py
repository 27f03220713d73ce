from __future__ import annotations

import pytest

from neuronbuild.store.objects import ObjectStore


def test_a_place_that_lacks_a_verb_cant_be_opened():
    class Half(ObjectStore):
        def read(self, name: str) -> bytes | None:
            return None

    with pytest.raises(TypeError, match="add_file"):
        Half()
