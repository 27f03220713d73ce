from __future__ import annotations

import pytest

from neuronbuild.errors import ToolchainError
from neuronbuild.toolchain.inductor import Inductor
from neuronbuild.toolchain.registry import open_toolchain


def test_the_cpu_is_compiled_for_by_inductor(tmp_path):
    assert isinstance(open_toolchain("cpu", scratch=tmp_path), Inductor)


def test_opening_touches_nothing(tmp_path):
    open_toolchain("cpu", scratch=tmp_path / "scratch", isa="x86-64-v3")
    assert list(tmp_path.iterdir()) == []


def test_a_platform_without_a_toolchain_is_named_with_a_way_out(tmp_path):
    with pytest.raises(ToolchainError, match="tpu") as caught:
        open_toolchain("tpu", scratch=tmp_path)
    assert "cpu" in caught.value.hint
