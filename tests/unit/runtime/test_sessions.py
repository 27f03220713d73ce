from __future__ import annotations

import threading

import pytest

from neuronbuild.errors import ReleaseError
from neuronbuild.release.swap import put_in_place
from neuronbuild.runtime.reader import read_release
from neuronbuild.runtime.sessions import Sessions
from tests.flows.stores import flip_a_byte
from tests.unit.runtime.releases import copy_release


def test_a_session_is_opened_once_whoever_asks(built):
    sessions, got = Sessions(read_release(built.releases["fill-mask"])), []
    threads = [threading.Thread(target=lambda: got.append(sessions.get(0))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(map(id, got))) == 1


def test_buckets_share_one_mapping_of_the_weights(built):
    sessions = Sessions(read_release(built.releases["grid"]))
    one, other = (sessions.get(index)._constants for index in (0, 1))
    name = next(name for name in one if name.endswith("word_embeddings.weight"))
    assert one[name].data_ptr() == other[name].data_ptr()


def test_a_release_that_was_replaced_is_not_opened(built, tmp_path):
    release = copy_release(built.releases["fill-mask"], tmp_path)
    sessions = Sessions(read_release(release))
    put_in_place(copy_release(built.releases["fill-mask"], tmp_path / "fresh"), release)
    with pytest.raises(ReleaseError, match="written anew"):
        sessions.get(0)


@pytest.mark.parametrize("name", ["model.pt2", "constants.safetensors"])
def test_altered_native_code_is_never_loaded(built, tmp_path, name):
    release = copy_release(built.releases["fill-mask"], tmp_path)
    read = read_release(release)
    flip_a_byte(read.buckets[0].folder / name)
    with pytest.raises(ReleaseError, match=f"{name} was altered") as caught:
        Sessions(read).get(0)
    assert "neuronbuild apply" in caught.value.hint
