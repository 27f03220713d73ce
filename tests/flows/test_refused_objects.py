"""Objects of a far store that are there and aren't handed out: archived, encrypted with a key of others, or forbidden."""

from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.api.sharing import pull, push
from neuronbuild.store.care.verify import verify_store
from neuronbuild.store.cas_reader import FEW, recorded
from neuronbuild.store.location import Remote, open_store
from neuronbuild.store.names import ACTIONS, action_name, blob_name
from neuronbuild.store.remote_store import RemoteStore
from tests.conftest import run_cli
from tests.doubles.quirky import serving
from tests.unit.api.shared import folders
from tests.unit.store.artifacts import get, key_of, put

CODES = ["InvalidObjectState", "kms", "403"]
MANY = range(1, FEW + 3)


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def settings(server, tmp_path):
    return folders(tmp_path, remotes=(Remote(server.location()),))


def fill(settings, numbers):
    """Artifacts near and far, by number."""
    near = open_store(settings.cache)
    made = {number: put(near, number) for number in numbers}
    push(None, settings)
    return made


def far_of(settings):
    return open_store(settings.remotes[0].location)


@pytest.mark.parametrize("code", CODES)
def test_a_verify_tells_what_isnt_handed_out_and_moves_none_of_it(server, settings, tmp_path, code):
    made = fill(settings, (1, 2, 3))
    names = {blob_name(made[1].files[0].digest.sha256), action_name(key_of(3))}
    for name in names:
        server.refuse(name, code)
    before = set(server.objects)
    report = verify_store(far_of(settings), repair=True)
    assert report.damages == ()
    assert {each.name for each in report.unreadable} == names
    assert set(server.objects) == before
    command = ("cache", "verify", "--repair", "--cache", settings.cache, "--remote", settings.remotes[0].location)
    done = run_cli(*command, cwd=tmp_path)
    assert done.returncode == 1
    assert "0 damaged, 2 not handed out and not checked" in done.stdout
    assert set(server.objects) == before


def test_an_interrupted_verify_reads_what_wasnt_handed_out_again(server, settings, tmp_path, monkeypatch):
    made = fill(settings, (1,))
    name = blob_name(made[1].files[0].digest.sha256)
    server.refuse(name, "403")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("neuronbuild.store.care.verify.SAVED_EVERY", -1.0)
        patched.setattr("neuronbuild.store.care.verify._check_manifest", interrupted)
        with pytest.raises(KeyboardInterrupt):
            verify_store(far_of(settings), repair=False, progress=tmp_path / "progress.json")
    report = verify_store(far_of(settings), repair=False, progress=tmp_path / "progress.json")
    assert report.skipped
    assert [each.name for each in report.unreadable] == [name]


@pytest.mark.parametrize(
    ("kind", "is_listed"), [("GLACIER", False), ("DEEP_ARCHIVE", False), ("GLACIER_IR", True), ("STANDARD_IA", True)]
)
def test_listings_leave_out_what_is_archived(server, settings, kind, is_listed):
    fill(settings, (1,))
    for stored in server.objects.values():
        stored.kind = kind
    assert bool(list(far_of(settings).objects.list(ACTIONS))) == is_listed


@pytest.mark.parametrize("count", [3, len(MANY)])
def test_what_is_archived_is_known_to_be_missing_however_many_are_asked_for(server, settings, count):
    fill(settings, MANY)
    server.refuse(action_name(key_of(3)), "InvalidObjectState")
    known = RemoteStore(far_of(settings)).known([key_of(number) for number in range(1, count + 1)])
    assert key_of(3) not in known
    assert len(known) == count - 1


@pytest.mark.parametrize("code", CODES)
def test_of_few_records_none_is_known_that_isnt_handed_out(server, settings, code):
    fill(settings, (1, 2, 3))
    server.refuse(action_name(key_of(3)), code)
    assert set(RemoteStore(far_of(settings)).known([key_of(1), key_of(2), key_of(3)])) == {key_of(1), key_of(2)}


@pytest.mark.parametrize("code", ["kms", "403"])
def test_what_was_asked_for_in_vain_is_left_out_of_later_listings(server, settings, code):
    fill(settings, MANY)
    server.refuse(action_name(key_of(3)), code)
    far, keys = far_of(settings), [key_of(number) for number in MANY]
    assert key_of(3) in recorded(far, keys)
    assert far.objects.read(action_name(key_of(3))) is None
    assert key_of(3) not in recorded(far, keys)
    for stored in server.objects.values():
        stored.refused = ""
    assert far.objects.read(action_name(key_of(3))) is not None
    assert key_of(3) in recorded(far, keys)


@pytest.mark.parametrize(("code", "numbers"), [*((code, (1, 2, 3)) for code in CODES), ("403", MANY)])
def test_a_push_replaces_a_record_that_isnt_handed_out(server, settings, tmp_path, code, numbers):
    fill(settings, numbers)
    server.refuse(action_name(key_of(3)), code)
    (moved,) = push(None, settings)
    assert (moved.artifacts, moved.present, moved.failures) == (1, len(numbers) - 1, ())
    assert get(far_of(settings), 3, tmp_path) == get(open_store(settings.cache), 3, tmp_path)


@pytest.mark.parametrize("numbers", [(1, 2, 3), MANY])
def test_a_push_replaces_an_archived_file_of_a_record_that_can_be_read(server, settings, tmp_path, numbers):
    made = fill(settings, numbers)
    server.refuse(blob_name(made[2].files[0].digest.sha256), "InvalidObjectState")
    (moved,) = push(None, settings)
    assert (moved.artifacts, moved.failures) == (1, ())
    assert get(far_of(settings), 2, tmp_path) == get(open_store(settings.cache), 2, tmp_path)


def test_a_pull_names_an_archived_record(server, settings, tmp_path):
    fill(settings, (1, 2))
    server.refuse(action_name(key_of(2)), "InvalidObjectState")
    (moved,) = pull(None, replace(settings, cache=str(tmp_path / "other")))
    assert moved.artifacts == 1
    assert [text.endswith(f"artifact {key_of(2)} isn't there") for text in moved.failures] == [True]
