from __future__ import annotations

import pytest

from neuronbuild.store.base import Store, Use


def test_a_store_is_one_of_its_kinds():
    with pytest.raises(TypeError, match="abstract"):
        Store()


def test_a_use_is_seconds_and_bytes():
    assert Use(1.5, 40)._asdict() == {"seconds": 1.5, "size": 40}
