from __future__ import annotations

from neuronbuild.api.settings import Settings
from neuronbuild.cli.doctor import EXTRAS, _cpu, _existing, _version


def test_the_disk_of_a_store_that_isnt_there_yet_is_that_of_its_nearest_folder(tmp_path):
    assert _existing(str(tmp_path)) == str(tmp_path)
    assert _existing(str(tmp_path / "a/b/c")) == str(tmp_path)
    assert _existing("nowhere/at/all") == "."


def test_a_toolchain_that_cant_be_had_is_a_finding_and_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = _cpu(Settings(scratch=tmp_path))
    assert (finding.ok, finding.needed) == (False, True)
    assert "g++ is not on PATH" in finding.found
    assert "apt install g++" in finding.advice


def test_a_package_that_isnt_installed_has_no_version():
    assert _version("no-such-package-anywhere") is None
    assert _version("click")


def test_every_extra_says_how_to_install_it():
    assert all("pip install 'neuronbuild[" in advice for advice in EXTRAS.values())
