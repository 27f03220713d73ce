"""An artifact sent to S3 servers with one quirk each, and fetched from them again."""

from __future__ import annotations

import pytest

from neuronbuild.digest import PIECE
from neuronbuild.errors import StoreError
from neuronbuild.store.care.verify import verify_store
from neuronbuild.store.cas import CasStore
from neuronbuild.store.location import open_store
from neuronbuild.store.objects.retry import RetryPolicy
from neuronbuild.store.objects.s3.opening import open_objects
from neuronbuild.store.transfer import copy_artifact
from tests.doubles.quirky import QUIRKS, serving
from tests.tools.fault_matrix import note
from tests.unit.store.artifacts import get, key_of, put

REFUSED = {
    "public": "access key is unknown there",
    "no-list": "may not be listed",
    "no-read": "just put there can't be read",
    "no-write": "access is denied",
    "endless-listing": "doesn't come to an end",
    "moved": "another region",
    "skewed": "clock",
    "no-ranges": "no range",
    "html": "its answer has no UploadId",
    "garbled": "the server failed",
}
"""Servers with which no artifact goes there and back and is verified, each with words of the message that says why."""


@pytest.mark.parametrize("quirk", sorted(QUIRKS))
def test_an_artifact_goes_there_and_back_over_any_server_or_is_refused_with_a_reason(quirk, tmp_path, monkeypatch):
    with serving(quirk) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        near, back, far = (
            open_store(str(tmp_path / "near")),
            open_store(str(tmp_path / "back")),
            CasStore(open_objects(server.location(timeout=5), RetryPolicy(unknown=5.0, known=5.0))),
        )
        put(near, 1, 2 * PIECE + 5000)

        def go() -> None:
            copy_artifact(near, far, key_of(1))
            copy_artifact(far, back, key_of(1))
            assert verify_store(far, repair=False).damages == ()

        if quirk in REFUSED:
            with pytest.raises(StoreError, match=REFUSED[quirk]) as caught:
                go()
            assert caught.value.hint
            assert get(back, 1, tmp_path) in (None, get(near, 1, tmp_path))
        else:
            go()
            assert get(back, 1, tmp_path) == get(near, 1, tmp_path)
        note("an S3 server", QUIRKS[quirk], quirk, 1, "told" if quirk in REFUSED else "absorbed")
