from __future__ import annotations

import pytest

from neuronbuild.toolchain.base import Toolchain
from tests.doubles.toolchain import FakeToolchain


def test_a_toolchain_that_cant_judge_its_files_is_none():
    class Half(Toolchain):
        name = "half"

        def preflight(self) -> None:
            pass

    with pytest.raises(TypeError, match="fault"):
        Half()


def test_the_double_is_a_toolchain_like_any_other(tmp_path):
    toolchain = FakeToolchain(tmp_path)
    toolchain.preflight()
    assert toolchain.fingerprint("cpu").as_json()["name"] == "fake"
    assert toolchain.worker() == toolchain.worker()
    assert "model.pt2" in toolchain.fault(tmp_path, [], {})
