from __future__ import annotations

from pathlib import Path

import pytest

from neuronbuild import host
from neuronbuild.artifact.release_index import ReleaseIndex
from neuronbuild.errors import ReleaseError
from neuronbuild.runtime.hosts import check_host

FOLDER = Path("release")


def index(platform: str, **toolchain) -> ReleaseIndex:
    return ReleaseIndex(
        "n", "fill-mask", platform, "m", None, "s", "t", "tool", False, (), {}, (), toolchain=toolchain or {"name": "neuronx"}
    )


@pytest.fixture
def on(tmp_path, monkeypatch):
    def become(instance: str | None) -> None:
        (tmp_path / "devices").write_text("245 neuron\n" if instance else "")
        (tmp_path / "product").write_text(instance or "")
        monkeypatch.setattr(host, "DEVICES", tmp_path / "devices")
        monkeypatch.setattr(host, "PRODUCT", tmp_path / "product")

    return become


@pytest.mark.parametrize(
    ("platform", "instance", "message", "hint"),
    [
        ("inf2", None, "no Neuron device", "--platform cpu"),
        ("inf2", "trn2.48xlarge", "this host is trn2", "platform trn2"),
        ("trn2", "inf2.xlarge", "this host is inf2", "platform inf2"),
        ("inf1", "inf2.xlarge", "this host is inf2", "platform inf2"),
        ("trn3", "trn2.48xlarge", "this host is trn2", "platform trn2"),
        ("inf2", "trn1.2xlarge", "torch-neuronx is not installed", "pip install"),
        ("inf1", "inf1.xlarge", "torch-neuron is not installed", "pip install"),
        ("inf2", "", "no Neuron device", "--platform cpu"),
    ],
)
def test_another_host_is_refused_with_the_way_out(on, platform, instance, message, hint):
    on(instance)
    with pytest.raises(ReleaseError, match=message) as caught:
        check_host(FOLDER, index(platform))
    assert hint in caught.value.hint


def test_a_whole_model_is_its_exporters():
    with pytest.raises(ReleaseError, match="optimum-neuron exported it"):
        check_host(FOLDER, index("trn1", name="optimum"))


def test_another_torch_is_refused_on_a_cpu():
    with pytest.raises(ReleaseError, match=r"compiled with torch 1\.0"):
        check_host(FOLDER, index("cpu", name="inductor", versions={"torch": "1.0"}, flags={}))


def test_a_lesser_cpu_is_refused():
    with pytest.raises(ReleaseError, match="a CPU with abacus"):
        check_host(FOLDER, index("cpu", name="inductor", versions={}, flags={"cpu_flags": ["abacus"]}))
