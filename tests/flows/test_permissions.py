"""Folders of other users: an error that says what can't be read or written, and never a traceback or the wrong advice."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from neuronbuild.api.locking import read_lock
from neuronbuild.errors import LockError, RecipeError, ReleaseError, SourceError, StoreError
from neuronbuild.models.releases import find_release
from neuronbuild.recipe.load import load_recipes, load_workspace
from neuronbuild.release.folder import write_release
from neuronbuild.runtime.reader import read_release
from neuronbuild.source.resolve import open_memory, resolve_model
from neuronbuild.store.location import open_objects
from tests.conftest import write_recipe
from tests.unit.release.requests import no_job
from tests.unit.release.writers import made_request, make_artifact
from tests.unit.store.disks import as_nobody

READ = "the right to read it"


@pytest.fixture
def theirs():
    """A folder that everybody may enter (pytest's own are closed), with folders of root's in it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield make_artifact(Path(folder))


def close(path, mode: int = 0o700) -> None:
    """Have only root read it."""
    path.chmod(mode)


@pytest.mark.parametrize("closed", ["store", "store/v1", "store/v1/actions", "store/v1/blobs"])
@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_store_that_may_not_be_read_says_so(theirs, closed, mode):
    request, store = made_request(theirs)
    close(theirs / closed, mode)
    with as_nobody(), pytest.raises(StoreError, match="Permission denied") as caught:
        store.known(set(request.keys))
    assert READ in caught.value.hint
    assert "you may write" not in caught.value.hint


def test_a_store_that_may_be_read_and_not_written_says_so(theirs):
    with as_nobody(), pytest.raises(StoreError, match="Permission denied") as caught:
        open_objects(str(theirs / "store")).write("v1/x", b"x")
    assert "name a folder that you may write" in caught.value.hint


def test_a_store_below_a_folder_that_may_not_be_entered_says_so(theirs):
    close(theirs / "store")
    with as_nobody(), pytest.raises(StoreError, match="Permission denied") as caught:
        open_objects(str(theirs / "store/deeper"))
    assert READ in caught.value.hint


@pytest.mark.parametrize(
    "closed", ["releases", "releases/made-cpu", "releases/made-cpu/neuronbuild.json", "releases/made-cpu/buckets"]
)
def test_a_release_that_may_not_be_read_says_so(theirs, closed):
    request, store = made_request(theirs)
    write_release(request, store, no_job)
    close(theirs / closed)
    with as_nobody(), pytest.raises(ReleaseError, match="can't be read: Permission denied") as caught:
        read_release(find_release(str(request.folder), None))
    assert READ in caught.value.hint


@pytest.mark.parametrize("closed", [None, "releases", "releases/made-cpu", "releases/made-cpu/neuronbuild.json"])
def test_a_release_below_anothers_folder_cant_be_written(theirs, closed):
    request, store = made_request(theirs)
    write_release(request, store, no_job)
    if closed:
        close(theirs / closed)
    with as_nobody(), pytest.raises(ReleaseError, match="can't be written: Permission denied") as caught:
        write_release(request, store, no_job)
    assert caught.value.hint == "choose an --output that can be written, then run again"


@pytest.mark.parametrize(
    ("closed", "mode"), [("model", 0o000), ("model", 0o444), ("model/config.json", 0o000), ("model", 0o111)]
)
def test_a_model_that_may_not_be_read_says_so(theirs, closed, mode):
    resolve_model(str(theirs / "model"), None, base=theirs, memory=open_memory())
    close(theirs / closed, mode)
    with as_nobody(), pytest.raises(SourceError, match="can't be read: Permission denied") as caught:
        resolve_model(str(theirs / "model"), None, base=theirs, memory=open_memory())
    assert caught.value.hint == "check its permissions"


@pytest.mark.parametrize(
    ("closed", "mode"), [("recipes", 0o000), ("recipes", 0o444), ("recipes", 0o111), ("recipes/one.yaml", 0o000)]
)
def test_recipes_that_may_not_be_read_say_so(theirs, closed, mode):
    write_recipe(theirs / "recipes/one.yaml", model="./model", shapes={"batch_size": 1})
    close(theirs / closed, mode)
    with as_nobody(), pytest.raises(RecipeError, match="can't be read: Permission denied"):
        load_recipes([theirs / "recipes"])


def test_a_workspace_above_that_may_not_be_looked_into_is_none(theirs):
    close(theirs / "model", 0o000)
    with as_nobody():
        assert load_workspace(theirs / "model")[1] == theirs / "model"


def test_a_lock_that_may_not_be_read_says_so(theirs):
    (theirs / "neuronbuild.lock").write_text("{}")
    close(theirs / "neuronbuild.lock")
    with as_nobody(), pytest.raises(LockError, match="can't be read: Permission denied") as caught:
        read_lock(theirs / "neuronbuild.lock")
    assert caught.value.hint == "check its permissions"
    assert os.geteuid() == 0
