from __future__ import annotations

import pytest

from neuronbuild.api import trusting
from neuronbuild.api.trusting import open_trust, signed_by
from neuronbuild.errors import UsageError
from neuronbuild.store.location import open_store
from neuronbuild.store.trust import make_key
from tests.unit.api.shared import folders
from tests.unit.store.artifacts import key_of, put


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(trusting, "user_cache", lambda: tmp_path / "user")


def test_without_keys_everybody_is_trusted_and_nothing_signed(tmp_path):
    trust = open_trust(folders(tmp_path))
    assert (trust.keys, trust.signer) == ((), None)
    assert not (tmp_path / "user").exists()


def test_a_builder_signs_and_trusts_everybody_unless_told_otherwise(tmp_path):
    make_key(tmp_path / "key")
    trust = open_trust(folders(tmp_path, signing_key=tmp_path / "key"))
    assert trust.keys == ()
    assert trust.signer is not None


def test_a_reader_uses_its_own_builds_too(tmp_path):
    others = make_key(tmp_path / "others")
    settings = folders(tmp_path, trusted_keys=(others,))
    store = open_store(settings.cache, open_trust(settings))
    put(store, 1)
    assert open_store(settings.cache, open_trust(settings)).lookup(key_of(1)) is not None
    stranger = folders(tmp_path, trusted_keys=(others,), signing_key=tmp_path / "others")
    assert open_store(settings.cache, open_trust(stranger)).lookup(key_of(1)) is None


def test_what_is_no_key_is_told(tmp_path):
    with pytest.raises(UsageError, match="no public key"):
        open_trust(folders(tmp_path, trusted_keys=("nonsense",)))
    with pytest.raises(UsageError, match="can't be read"):
        open_trust(folders(tmp_path, signing_key=tmp_path / "absent"))


def test_a_key_that_was_made_here_is_hidden_unless_the_team_trusts_it(tmp_path):
    others = make_key(tmp_path / "others")
    hidden = open_trust(folders(tmp_path, trusted_keys=(others,)))
    assert hidden.hidden
    assert not hidden.signs_releases
    assert not open_trust(folders(tmp_path, trusted_keys=(others, hidden.own))).hidden
    signing = open_trust(folders(tmp_path, trusted_keys=(others,), signing_key=tmp_path / "others"))
    assert not signing.hidden
    assert signing.signs_releases


def test_who_signed_an_artifact_is_said_in_a_line(tmp_path):
    mine, team = make_key(tmp_path / "mine"), make_key(tmp_path / "team")
    signing = folders(tmp_path, signing_key=tmp_path / "mine")
    store = open_store(signing.cache, open_trust(signing))
    put(store, 1)
    manifest = store.lookup(key_of(1))
    assert signed_by(manifest, open_trust(signing)) == f"signed by {mine} (your signing key)"
    assert signed_by(manifest, open_trust(folders(tmp_path))) == f"signed by {mine} (no keys are required here)"
    assert signed_by(manifest, open_trust(folders(tmp_path, trusted_keys=(team,)))) == f"signed by {mine} (not trusted)"
    assert signed_by(manifest, open_trust(folders(tmp_path, trusted_keys=(mine,)))) == f"signed by {mine} (trusted)"
    put(open_store(signing.cache), 2)
    assert signed_by(store.lookup(key_of(2)), open_trust(signing)) == "signed by nobody"
