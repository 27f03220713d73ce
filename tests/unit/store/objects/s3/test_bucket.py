from __future__ import annotations

import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.base import ANY
from neuronbuild.store.objects.s3 import bucket as s3_bucket
from neuronbuild.store.objects.s3.bucket import Bucket, checksum_of
from neuronbuild.store.objects.s3.location import parse_s3
from tests.doubles import s3


@pytest.fixture
def bucket(remote):
    return Bucket(parse_s3(remote))


def test_a_checksum_is_a_sha256_in_base64():
    assert checksum_of(b"") == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_a_small_object_is_read_up_to_a_limit(bucket):
    bucket.put("a", b"0123456789")
    assert bucket.get("a", 4).data == b"0123"
    assert bucket.get("a", 100).data == b"0123456789"
    assert bucket.get("b", 4) is None


def test_a_condition_that_doesnt_hold_is_an_answer(bucket):
    tag = bucket.put("a", b"1", None)
    assert bucket.put("a", b"2", None) is None
    assert bucket.put("b", b"2", tag) is None
    assert not bucket.delete("a", '"other"')
    assert bucket.head("a").stamp == tag


def test_a_copy_of_nothing_is_nothing(bucket):
    assert not bucket.copy("absent", "target")
    bucket.put("a", b"bytes")
    assert bucket.copy("a", "b")
    assert bucket.get("b", 10).data == b"bytes"


@pytest.mark.parametrize("expected", [ANY, None], ids=["plain", "conditional"])
def test_what_is_sent_carries_its_sha256_which_a_server_that_checks_compares(servers, monkeypatch, expected):
    bucket = Bucket(parse_s3(s3.location(servers("seaweedfs"))))
    bucket.put("a", b"bytes", expected)
    monkeypatch.setattr(s3_bucket, "checksum_of", lambda _: checksum_of(b"other"))
    with pytest.raises(StoreError, match=r"(?i)digest|checksum|not what was sent"):
        bucket.put("b", b"bytes", expected)
    assert bucket.head("a").size == 5
    assert bucket.head("b") is None
