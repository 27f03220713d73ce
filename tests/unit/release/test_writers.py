"""Several processes that write one release, and load it as they go."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from neuronbuild.errors import ReleaseError
from neuronbuild.release.folder import write_release
from neuronbuild.release.verified import VerifiedReleases
from neuronbuild.runtime.reader import read_release
from neuronbuild.store.names import action_name
from tests.conftest import ROOT
from tests.doubles.toolchain import Site, kinds
from tests.flows.stores import contents
from tests.limits import SOON
from tests.unit.release.requests import no_job
from tests.unit.release.writers import made_request, make_artifact

WRITERS = 4


@pytest.fixture
def site(tmp_path):
    return make_artifact(tmp_path)


def state(folder):
    return (folder / "neuronbuild.json").stat().st_ino


def test_of_processes_that_write_a_release_at_once_one_writes_it_and_all_can_use_it(site):
    command = [sys.executable, "-m", "tests.unit.release.writers", str(site)]
    processes = [
        subprocess.Popen([*command, str(n), str(WRITERS)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(WRITERS)
    ]
    said = [process.communicate(timeout=SOON) for process in processes]
    assert [process.returncode for process in processes] == [0] * WRITERS, said
    assert sorted(out.strip() for out, _ in said) == ["False"] * (WRITERS - 1) + ["True"]


def test_a_release_that_was_written_meanwhile_is_not_written_again(site):
    request, store = made_request(site)
    assert write_release(request, store, no_job) is not None
    before, verified = state(request.folder), VerifiedReleases(None)
    assert write_release(request, store, no_job, lambda: request.is_up_to_date(verified)) is None
    assert state(request.folder) == before


def test_a_release_whose_artifact_was_compiled_anew_stays_while_it_is_whole(site):
    request, store = made_request(site)
    write_release(request, store, no_job)
    loaded, verified = read_release(request.folder), VerifiedReleases(None)

    def rewrite():
        return write_release(request, store, no_job, lambda: request.is_up_to_date(verified))

    store.objects.delete(action_name(request.keys[0]))
    assert kinds(Site(site).build(1)) == ["built"]  # its record says another time
    assert rewrite() is None
    loaded.refuse_replaced()
    (request.folder / "config.json").write_text("{}")
    assert rewrite() is not None
    with pytest.raises(ReleaseError, match="written anew"):
        loaded.refuse_replaced()


def test_what_another_put_in_the_releases_place_meanwhile_is_not_replaced(site):
    request, store = made_request(site)
    write_release(request, store, no_job)
    (request.folder / "notes.md").write_text("mine")
    with pytest.raises(ReleaseError, match=r"something else is in its place: notes\.md"):
        write_release(request, store, no_job)
    assert json.loads((request.folder / "neuronbuild.json").read_text())["name"] == "made"


FILES = ["model.pt2", "constants.safetensors", "manifest.json", "README.md", "model.safetensors"]


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def lose(file):
    file.unlink()


def empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, lose, empty])
@pytest.mark.parametrize("what", FILES)
def test_whatever_is_damaged_in_a_release_writing_it_again_mends(site, damage, what):
    request, store = made_request(site)
    verified = VerifiedReleases(None)
    request = replace(request, link_mode="copy")
    write_release(request, store, no_job)
    before = contents(request.folder)
    assert request.is_up_to_date(verified)
    [file] = request.folder.rglob(what)
    file.chmod(0o644)
    damage(file)
    assert not request.is_up_to_date(verified)
    assert write_release(request, store, no_job, lambda: request.is_up_to_date(verified)) is not None
    assert contents(request.folder) == before
    read_release(request.folder)
