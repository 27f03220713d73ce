from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.api.signing import sign_store
from neuronbuild.api.trusting import open_trust
from neuronbuild.errors import UsageError
from neuronbuild.store.location import open_store
from neuronbuild.store.trust import make_key
from tests.unit.api.shared import folders
from tests.unit.store.artifacts import key_of, put


def test_a_store_moves_from_one_key_to_the_next(tmp_path):
    old, new = make_key(tmp_path / "old"), make_key(tmp_path / "new")
    before = folders(tmp_path, signing_key=tmp_path / "old", trusted_keys=(old,))
    put(open_store(before.cache, open_trust(before)), 1)
    both = replace(before, signing_key=tmp_path / "new", trusted_keys=(old, new))
    assert sign_store(both, far=False) == (1, 0)
    assert sign_store(both, far=False) == (0, 0)
    after = replace(both, trusted_keys=(new,))
    assert open_store(after.cache, open_trust(after)).lookup(key_of(1)) is not None


def test_what_isnt_trusted_isnt_signed(tmp_path):
    mine = make_key(tmp_path / "mine")
    settings = folders(tmp_path, signing_key=tmp_path / "mine", trusted_keys=(mine,))
    put(open_store(settings.cache), 1)
    assert sign_store(settings, far=False) == (0, 1)


def test_a_far_store_is_signed_when_asked_for(tmp_path):
    make_key(tmp_path / "mine")
    settings = folders(tmp_path, signing_key=tmp_path / "mine")
    put(open_store(settings.remotes[0].location), 1)
    assert sign_store(settings, far=True) == (1, 0)


def test_there_must_be_a_key(tmp_path):
    with pytest.raises(UsageError, match="no signing key") as caught:
        sign_store(folders(tmp_path), far=False)
    assert "cache keygen" in caught.value.hint
