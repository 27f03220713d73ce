from __future__ import annotations

import json
from dataclasses import replace

import pytest

from neuronbuild.artifact.codec import encode
from neuronbuild.artifact.release_index import FILENAME
from neuronbuild.release.folder import write_release
from neuronbuild.release.verified import VerifiedReleases
from neuronbuild.store.cas import CasStore
from neuronbuild.store.names import action_name
from neuronbuild.store.trust import Trust
from tests.unit.release.made import made_request, trust_of
from tests.unit.release.requests import no_job
from tests.unit.runtime.releases import list_anew, read_index


@pytest.fixture
def written(tmp_path):
    """A request whose release was written by a builder that signs, and the store."""
    request, store = made_request(tmp_path, trust_of(tmp_path))
    write_release(request, store, no_job)
    return request, store


def is_current(request, store) -> bool:
    return request.is_up_to_date(VerifiedReleases(None, store))


def test_a_release_that_was_just_written_is_up_to_date(written):
    assert is_current(*written)


@pytest.mark.parametrize("path", ["vocab.txt", "config.json", "model.neuron", "README.md"])
def test_one_that_was_forged_with_its_index_isnt_where_keys_are_trusted(written, path):
    request, store = written
    file = request.folder / path
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.unlink()
    file.write_bytes(data)
    list_anew(request.folder, path)
    assert not is_current(request, store)
    reader = CasStore(store.objects, trust=replace(store.trust, hidden=True))
    assert not is_current(request, reader)
    assert is_current(request, CasStore(store.objects))  # nobody is trusted: an index that fits its files is all that is asked


def test_an_index_that_says_something_else_isnt(written):
    request, store = written
    index = read_index(request.folder)
    (request.folder / FILENAME).write_bytes(encode(replace(index, padding_matters=True)))
    assert not is_current(request, CasStore(store.objects, trust=replace(store.trust, hidden=True)))


def test_an_altered_index_isnt_for_anybody(written):
    request, store = written
    (request.folder / FILENAME).write_text((request.folder / FILENAME).read_text().replace('"fill-mask"', '"mask-fill"'))
    assert not is_current(request, store)
    assert not is_current(request, CasStore(store.objects))


def test_a_file_that_isnt_listed_counts_where_keys_are_trusted(written):
    request, store = written
    (request.folder / ".gitattributes").write_text("what git leaves is read by nothing")
    assert is_current(request, store)
    (request.folder / "chat_template.jinja").write_text("{{ other }}")
    assert not is_current(request, store)


def test_whoever_signs_wants_a_signed_index(written, tmp_path):
    request, store = written
    tree = json.loads((request.folder / FILENAME).read_text())
    del tree["signatures"]
    (request.folder / FILENAME).write_text(json.dumps(tree))
    assert not is_current(request, store)
    assert not is_current(request, CasStore(store.objects, trust=replace(store.trust, keys=())))
    assert is_current(request, CasStore(store.objects, trust=replace(store.trust, hidden=True)))
    assert is_current(request, CasStore(store.objects, trust=Trust(store.trust.keys)))


def test_an_artifact_that_isnt_trusted_any_more_makes_a_release_that_isnt(written, tmp_path):
    request, store = written
    assert not is_current(request, CasStore(store.objects, trust=Trust((trust_of(tmp_path, "other").own,))))


def compiled_anew(store, key) -> None:
    """The same in the store, of another time."""
    manifest = store.lookup(key)
    store.objects.delete(action_name(key))
    store.record(replace(manifest, provenance=replace(manifest.provenance, seconds=99.0)))


def test_a_signed_one_stays_where_its_artifact_was_compiled_anew(written):
    request, store = written
    compiled_anew(store, request.keys[0])
    assert is_current(request, store)
    assert is_current(request, CasStore(store.objects, trust=Trust(store.trust.keys)))


def test_one_that_nobody_trusted_signed_must_be_of_the_record_that_is_signed_now(written, tmp_path):
    request, store = written
    tree = json.loads((request.folder / FILENAME).read_text())
    del tree["signatures"]
    (request.folder / FILENAME).write_text(json.dumps(tree))
    reader = CasStore(store.objects, trust=Trust(store.trust.keys))
    assert is_current(request, reader)
    compiled_anew(store, request.keys[0])
    assert not is_current(request, reader)


def test_whoever_signs_with_another_key_than_before_wants_its_own_signature(written, tmp_path):
    request, store = written
    new = trust_of(tmp_path, "new")
    both = CasStore(store.objects, trust=replace(new, keys=(*store.trust.keys, *new.keys)))
    assert is_current(request, both)  # by the record, which is as it was
    compiled_anew(both, request.keys[0])
    assert not is_current(request, both)
