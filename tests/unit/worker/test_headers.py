from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from neuronbuild.worker import headers
from tests.unit.worker.actions import blob, manifests

INSTALLED = Path(torch.__file__).parent / "include"


def test_the_header_of_the_installed_torch_is_replaced(tmp_path):
    assert headers.write_copy(str(INSTALLED), str(tmp_path))
    assert headers.write_copy(str(INSTALLED), str(tmp_path))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["model_base.h"]
    before, after = ((folder / headers.NAME).read_text().splitlines() for folder in (INSTALLED, tmp_path))
    assert "std::regex" not in "\n".join(after)
    assert [line for line in after if line not in before] == headers.BODY.splitlines()


@pytest.mark.parametrize("addition", ['  std::regex other("a");\n', headers.FIRST_LINE])
def test_a_header_that_uses_more_of_it_is_left_as_it_is(addition):
    text = (INSTALLED / headers.NAME).read_text()
    assert headers.without_regex(text + addition) is None


def test_a_header_of_another_torch_is_left_as_it_is(tmp_path):
    other = tmp_path / "include" / headers.NAME
    other.parent.mkdir(parents=True)
    other.write_text("#pragma once\n")
    assert not headers.write_copy(str(tmp_path / "include"), str(tmp_path / "copies"))
    assert not (tmp_path / "copies").exists()


def test_what_is_compiled_holds_no_regular_expression(built):
    with zipfile.ZipFile(blob(built, manifests(built)["fill-mask"], "model.pt2")) as package:
        [library] = [package.read(name) for name in package.namelist() if name.endswith(".so")]
    assert b"AOTInductorModelContainer" in library
    assert b"basic_regex" not in library
