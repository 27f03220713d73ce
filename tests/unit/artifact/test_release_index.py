from __future__ import annotations

from dataclasses import replace

import pytest

from neuronbuild.artifact.codec import DecodeError, decode
from neuronbuild.artifact.release_index import FILENAME, FORMAT, Binding, Bucket, ReleasedFile, ReleaseIndex
from tests.unit.artifact.records import INDEX, UNSAFE_PATHS, plain, sealed

UNSAFE = [
    lambda path: ReleasedFile(path, "0" * 64, 1),
    lambda path: Binding(path, "weight"),
    lambda path: Bucket("forward", {"batch_size": 1}, path, "0" * 64),
]


def read(**changes):
    """The index, changed, as if it came from a folder."""
    return decode(ReleaseIndex, sealed({**plain(INDEX), **changes}), newest=FORMAT)


@pytest.mark.parametrize("path", UNSAFE_PATHS)
@pytest.mark.parametrize("make", UNSAFE, ids=["file", "binding", "bucket"])
def test_a_path_that_could_leave_the_release_is_refused(make, path):
    with pytest.raises(ValueError, match="unsafe path"):
        make(path)


@pytest.mark.parametrize("path", UNSAFE_PATHS)
def test_a_file_outside_the_release_is_refused_on_reading(path):
    with pytest.raises(DecodeError, match=r"files\.0: Value error, unsafe path"):
        read(files=[{"path": path, "sha256": "0" * 64, "size": 1}])


@pytest.mark.parametrize("path", UNSAFE_PATHS)
def test_weights_outside_the_release_are_refused_on_reading(path):
    with pytest.raises(DecodeError, match=r"bindings\.bias: Value error, unsafe path"):
        read(bindings={"bias": {"file": path, "tensor": "bias"}})


@pytest.mark.parametrize("path", UNSAFE_PATHS)
def test_a_bucket_outside_the_release_is_refused_on_reading(path):
    with pytest.raises(DecodeError, match=r"buckets\.0: Value error, unsafe path"):
        read(buckets=[{"graph": "forward", "shape": {}, "folder": path, "key": "0" * 64}])


def test_what_is_left_out_has_its_default():
    bare = replace(INDEX, buckets=(), bindings={}, files=())
    tree = {key: value for key, value in plain(bare).items() if key not in {"omitted_outputs", "toolchain"}}
    assert decode(ReleaseIndex, sealed(tree), newest=FORMAT) == bare


@pytest.mark.parametrize("size", ["1", 1.5, None, True])
def test_a_shape_has_whole_numbers(size):
    with pytest.raises(DecodeError, match=r"buckets\.0\.shape\.batch_size"):
        read(buckets=[{"graph": "forward", "shape": {"batch_size": size}, "folder": "a", "key": "0" * 64}])


def test_the_index_lies_beside_the_config():
    assert FILENAME == "neuronbuild.json"


@pytest.mark.parametrize("paths", [("a", "A"), ("a", "a/b"), (FILENAME,), ("NeuronBuild.json",)])
def test_two_files_of_one_name_are_refused_on_reading(paths):
    with pytest.raises(DecodeError, match="unsafe path"):
        read(files=[{"path": path, "sha256": "0" * 64, "size": 1} for path in paths])
