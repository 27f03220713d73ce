from __future__ import annotations

import pytest

from neuronbuild.errors import ToolchainError
from neuronbuild.toolchain.inductor import Inductor
from neuronbuild.toolchain.neuron import Neuron
from neuronbuild.toolchain.neuronx import Neuronx
from neuronbuild.toolchain.registry import open_toolchain
from neuronbuild.toolchain.setup import Setup


@pytest.mark.parametrize(
    ("name", "platform", "kind"),
    [("inductor", "cpu", Inductor), ("neuronx", "inf2", Neuronx), ("neuronx", "trn2", Neuronx), ("neuron", "inf1", Neuron)],
)
def test_each_name_is_a_toolchain(tmp_path, name, platform, kind):
    made = open_toolchain(name, platform, Setup(tmp_path))
    assert isinstance(made, kind)
    assert made.name == name


@pytest.mark.parametrize("name", ["inductor", "neuronx", "neuron"])
def test_opening_touches_nothing(tmp_path, name):
    open_toolchain(name, "inf2", Setup(tmp_path / "scratch", isa="x86-64-v3"))
    assert list(tmp_path.iterdir()) == []


def test_a_name_without_a_toolchain_is_told_with_a_way_out(tmp_path):
    with pytest.raises(ToolchainError, match="abacus") as caught:
        open_toolchain("abacus", "inf2", Setup(tmp_path))
    assert "cpu" in caught.value.hint
