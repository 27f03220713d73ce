from __future__ import annotations

import pytest

from neuronbuild.api.checkup import check_keys, check_stores
from neuronbuild.store.location import Remote
from neuronbuild.store.trust import make_key
from tests.doubles.quirky import serving
from tests.unit.api.shared import folders


def checked(tmp_path, location, *, read_only=False):
    """What is said of one far store."""
    (found,) = check_stores(folders(tmp_path, remotes=(Remote(str(location), read_only),)))
    return found


def test_a_store_that_may_be_listed_and_written_is_well_and_stays_as_it_is(tmp_path):
    with serving() as server:
        found = checked(tmp_path, server.location())
        assert (found.name, found.ok) == ("remote", True)
        assert found.found.endswith("reachable, may be listed, may be written")
        assert server.objects == {}


@pytest.mark.parametrize(
    ("quirk", "words", "advice"),
    [
        ("no-list", "may not be listed (AccessDenied", "s3:ListBucket"),
        ("no-write", "may be listed, may not be written: access is denied (AccessDenied", "read_only: true"),
        ("skewed", "clock", "timedatectl"),
        ("moved", "another region", "region=eu-west-1"),
    ],
)
def test_what_a_store_doesnt_allow_is_said_with_advice(tmp_path, quirk, words, advice):
    with serving(quirk) as server:
        found = checked(tmp_path, server.location())
    assert not found.ok
    assert words in found.found
    assert advice in found.advice


def test_a_store_that_is_only_read_isnt_written(tmp_path):
    with serving("no-write") as server:
        found = checked(tmp_path, server.location(), read_only=True)
        assert found.ok
        assert "is only read" in found.found
        assert {request.verb for request in server.seen} == {"GET"}


def test_a_store_that_cant_be_reached_is_said(tmp_path):
    with serving() as server:
        location = server.location(timeout=1)
    found = checked(tmp_path, location)
    assert not found.ok
    assert "can't be reached" in found.found


def test_no_password_is_shown(tmp_path):
    with serving() as server:
        location = server.location()
        for bad in (location.replace("http://", "http://user:hunter2@"), "s3://key:hunter2@team/p"):
            assert "hunter2" not in str(checked(tmp_path, bad))


def test_folders_are_looked_at_and_left_alone(tmp_path):
    assert "no such folder" in checked(tmp_path, tmp_path / "far").found
    (tmp_path / "far").mkdir()
    assert checked(tmp_path, tmp_path / "far").ok
    assert "is only read" in checked(tmp_path, tmp_path / "far", read_only=True).found
    assert list((tmp_path / "far").iterdir()) == []


def test_several_stores_have_several_names_and_a_near_one_that_is_far_away_is_one(tmp_path):
    with serving() as server:
        remotes = (Remote(str(tmp_path)), Remote(server.location()))
        found = list(check_stores(folders(tmp_path, cache=server.location(), remotes=remotes)))
    assert [(each.name, each.ok) for each in found] == [("store", True), ("remote", True), ("remote 2", True)]


def test_keys_are_keys_and_builders_are_trusted(tmp_path):
    own, other = make_key(tmp_path / "own"), make_key(tmp_path / "other")
    assert check_keys(folders(tmp_path)).ok
    assert check_keys(folders(tmp_path, signing_key=tmp_path / "own")).ok
    both = check_keys(folders(tmp_path, signing_key=tmp_path / "own", trusted_keys=(own, other)))
    assert (both.ok, f"2 trusted, signs as {own}" in both.found) == (True, True)
    unknown = check_keys(folders(tmp_path, signing_key=tmp_path / "own", trusted_keys=(other,)))
    assert (unknown.ok, "not among them" in unknown.found) == (False, True)
    reader = check_keys(folders(tmp_path, trusted_keys=(other,)))
    assert (reader.ok, "signing_key" in reader.advice) == (False, True)


def test_what_is_no_key_is_said(tmp_path):
    missing = check_keys(folders(tmp_path, signing_key=tmp_path / "absent"))
    assert (missing.ok, "can't be read" in missing.found) == (False, True)
    wrong = check_keys(folders(tmp_path, trusted_keys=("ed25519:nonsense",)))
    assert (wrong.ok, "no public key" in wrong.found) == (False, True)
