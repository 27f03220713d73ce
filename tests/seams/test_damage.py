"""Every kind of damage to every file of a store, near and far: the bytes that leave are right, or nothing leaves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from neuronbuild.artifact.snapshot import Snapshot
from neuronbuild.digest import digest_bytes
from neuronbuild.errors import StoreError
from neuronbuild.store.care.verify import verify_store
from neuronbuild.store.layered import LayeredStore
from neuronbuild.store.location import open_store
from neuronbuild.store.remote_store import RemoteStore
from neuronbuild.store.sharing import SharingPolicy
from tests.tools.fault_matrix import note
from tests.unit.store.artifacts import contents, get, key_of, put

NUMBERS = (1, 2)


def other_file(path: Path) -> bytes:
    """The bytes of the next file of the same kind."""
    kind = path.parents[1]
    files = sorted(file for file in kind.rglob("*") if file.is_file())
    return files[(files.index(path) + 1) % len(files)].read_bytes()


DAMAGES: dict[str, Callable[[Path], bytes | None]] = {
    "one bit turned": lambda path: bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:],
    "cut short": lambda path: path.read_bytes()[:-1],
    "empty": lambda path: b"",
    "zeros": lambda path: bytes(path.stat().st_size),
    "another file's bytes": other_file,
    "too long": lambda path: path.read_bytes() + b"\0",
    "gone": lambda path: None,
}


@pytest.fixture
def stores(tmp_path) -> tuple[Path, Path]:
    """A near folder and a far one with the same artifacts."""
    near, far = tmp_path / "near", tmp_path / "far"
    store = open_store(str(near))
    for number in NUMBERS:
        put(store, number)
    store.record_snapshot(Snapshot("my/model", None, {"config.json": digest_bytes(b"{}")}, "mit"))
    shutil.copytree(near, far)
    return near, far


def harm(path: Path, damage: str) -> None:
    data = DAMAGES[damage](path)
    path.chmod(0o644)
    path.unlink() if data is None else path.write_bytes(data)


def layers(near: Path, far: Path) -> LayeredStore:
    return LayeredStore(open_store(str(near)), [RemoteStore(open_store(str(far)))], SharingPolicy())


def files_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / "v1").rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_near_is_mended_from_afar(stores, tmp_path, damage):
    near, far = stores
    names = files_of(near)
    for name in names:
        harm(near / name, damage)
        store = layers(near, far)
        assert {number: get(store, number, tmp_path) for number in NUMBERS} == {number: contents(number) for number in NUMBERS}
        verify_store(open_store(str(near)), repair=True)
        for number in NUMBERS:
            assert layers(near, far).lookup(key_of(number)) is not None
        note("a file near, with a far store", damage, name, len(names), "right")
        shutil.copytree(far, near, dirs_exist_ok=True)
    assert verify_store(open_store(str(near)), repair=False).damages == ()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_far_never_comes_near(stores, tmp_path, damage):
    spare, far = stores
    names = files_of(far)
    for count, name in enumerate(names):
        harm(far / name, damage)
        near = tmp_path / f"empty{count}"
        store = layers(near, far)
        for number in NUMBERS:
            got = get(store, number, tmp_path)
            assert got in (None, contents(number))
            if got is None:
                put(store, number)
        store.close()
        assert verify_store(open_store(str(near)), repair=False).damages == ()
        verify_store(open_store(str(far)), repair=True)
        assert {number: get(layers(near, far), number, tmp_path) for number in NUMBERS} == {n: contents(n) for n in NUMBERS}
        note("a file far", damage, name, len(names), "right or refused")
        shutil.copytree(spare, far, dirs_exist_ok=True)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_without_a_far_store_is_right_or_refused(stores, tmp_path, damage):
    near, spare = stores
    names = files_of(near)
    for name in names:
        harm(near / name, damage)
        store = open_store(str(near))
        for number in NUMBERS:
            try:
                assert get(store, number, tmp_path) in (None, contents(number))
            except StoreError as error:
                assert error.hint  # noqa: PT017 (either is well)
            put(store, number)
            assert get(store, number, tmp_path) == contents(number)
        note("a file near, without a far store", damage, name, len(names), "right or refused")
        shutil.copytree(spare, near, dirs_exist_ok=True)


@pytest.mark.parametrize("link", ["/etc/hostname", "../../../../../secret", "self"])
def test_a_link_in_an_objects_place_is_no_object(stores, tmp_path, link):
    near, _ = stores
    (tmp_path / "secret").write_bytes(b"secret")
    for name in files_of(near):
        path = near / name
        path.unlink()
        path.symlink_to(path.name if link == "self" else link)
        store = open_store(str(near))
        assert store.objects.read(name) is None
        assert store.objects.read_to(name, tmp_path / "fetched") is None
        assert name not in {entry.name for entry in store.objects.list("v1/")}
