"""What docs/add-a-store.md says, followed: a remote store of another kind is one module and one line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.api.caring import stats, verify
from neuronbuild.api.sharing import pull, push
from neuronbuild.errors import StoreError
from neuronbuild.store.location import Remote, open_objects, open_store
from tests.tools import example_store
from tests.unit.api.shared import folders
from tests.unit.store.artifacts import contents, get, put


def test_artifacts_are_pushed_to_the_example_and_pulled_from_it(tmp_path, monkeypatch):
    _, scheme = example_store.install(tmp_path, monkeypatch)
    settings = folders(tmp_path, remotes=(Remote(f"{scheme}team"),))
    near = open_store(settings.cache)
    for number in range(1, 6):
        put(near, number)
    (moved,) = push(None, settings)
    assert (moved.artifacts, moved.failures) == (5, ())
    other = replace(settings, cache=str(tmp_path / "other"))
    (moved,) = pull(None, other)
    assert (moved.artifacts, moved.failures) == (5, ())
    assert get(open_store(other.cache), 3, tmp_path) == contents(3)
    assert [report.damages for report in verify(other, repair=False)] == [(), ()]
    assert [place.sizes.artifacts for place in stats(other).places] == [5, 5]


def test_without_the_line_its_locations_are_no_stores():
    with pytest.raises(StoreError, match="isn't a kind of store"):
        open_objects("dict://team")


def test_a_library_that_isnt_installed_is_named_with_how_to_get_it(tmp_path, monkeypatch):
    module, scheme = example_store.install(tmp_path, monkeypatch)
    (tmp_path / f"{module.__name__}.py").write_text("import not_installed_anywhere")
    monkeypatch.delitem(example_store.sys.modules, module.__name__)
    with pytest.raises(StoreError, match="not_installed_anywhere, which isn't installed") as caught:
        open_objects(f"{scheme}team")
    assert caught.value.hint == "pip install 'neuronbuild[dict]'"
