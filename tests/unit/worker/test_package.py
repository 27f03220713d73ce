from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from neuronbuild.worker import package
from tests.conftest import ROOT
from tests.unit.worker.actions import blob, manifests

RECIPES = ["fill-mask", "text-classification", "sentence-similarity", "grid", "cast-matmul", "cast-all", "half", "quick"]


@pytest.fixture(params=RECIPES)
def made(built, request):
    return built, manifests(built)[request.param]


def test_a_package_holds_one_library_and_no_sources(made):
    built, manifest = made
    with zipfile.ZipFile(blob(built, manifest, "model.pt2")) as archive:
        names = archive.namelist()
    assert sorted(name for name in names if package.FOLDER in name) == [
        f"{package.FOLDER}library.so",
        f"{package.FOLDER}library_metadata.json",
    ]
    assert not [name for name in names if name.endswith((".cpp", ".h", ".py", "serialization_id"))]


def test_a_package_holds_nothing_of_the_machine_that_made_it(made):
    built, manifest = made
    data = blob(built, manifest, "model.pt2").read_bytes()
    places = [tempfile.gettempdir(), Path.home(), ROOT, Path(torch.__file__).parent, os.environ["XDG_CACHE_HOME"]]
    assert [place for place in map(str, places) if place.encode() in data] == []
    assert b"site-packages" not in data


def test_a_package_holds_no_times(made):
    built, manifest = made
    with zipfile.ZipFile(blob(built, manifest, "model.pt2")) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {package.EPOCH}


def test_what_travels_with_the_code_follows_from_the_config_alone(made):
    built, manifest = made
    own = load_file(blob(built, manifest, "constants.safetensors"))
    declared = {constant["name"] for constant in manifest["signature"]["constants"] if constant["in_artifact"]}
    assert set(own) == declared
    assert all(name.endswith("position_ids") for name in own)
    assert all(torch.equal(tensor, torch.arange(66).reshape(1, 66)) for tensor in own.values())


def test_every_weight_is_a_constant_and_none_is_code(models, made):
    """However small: a bias of three labels too."""
    _, manifest = made
    task = manifest["action"]["task"]
    constants = manifest["signature"]["constants"]
    held = {name for constant in constants for name in constant["tied"]}
    used = set(load_file(models[task] / "model.safetensors"))
    assert {name for name in used if name not in held and f"bert.{name}" not in held} <= {
        "pooler.dense.weight",
        "pooler.dense.bias",
    }


def zip_of(path, **files: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return str(path)


def raw_names() -> dict[str, bytes]:
    """What a package has when the compiler has just written it."""
    inner = "serial-123/data/aotinductor/model/"
    return {
        f"{inner}cabc123.wrapper.so": b"library",
        f"{inner}cabc123.wrapper_metadata.json": b"{}",
        f"{inner}cabc123.wrapper.cpp": b"source",
        f"{inner}cabc123.kernel.cpp": b"source",
        f"{inner}cabc123.kernel_metadata.json": b"{}",
        "serial-123/serialization_id": b"123",
        "serial-123/version": b"1",
    }


def test_repacking_keeps_the_library_under_a_name_of_its_own(tmp_path):
    package.repack(zip_of(tmp_path / "made", **raw_names()), str(tmp_path / "clean"))
    with zipfile.ZipFile(tmp_path / "clean") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"{package.FOLDER}library.so": b"library",
            f"{package.FOLDER}library_metadata.json": b"{}",
            "model/version": b"1",
        }


def test_repacking_gives_the_same_bytes_whatever_order_and_names_the_compiler_chose(tmp_path):
    files = raw_names()
    other = {name.replace("123", "999"): data for name, data in reversed(files.items())}
    for name, entries in (("one", files), ("other", other)):
        package.repack(zip_of(tmp_path / f"{name}.made", **entries), str(tmp_path / name))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
