from __future__ import annotations

from datetime import timedelta

import botocore.auth
import pytest

from neuronbuild.digest import PIECE, Pieces, digest_bytes
from neuronbuild.errors import StoreError, StoreOutageError
from neuronbuild.store.location import open_objects
from neuronbuild.store.objects.base import ANY
from tests.doubles import s3
from tests.doubles.quirky import serving

NAME = "v1/a"


def test_a_server_that_ignores_conditions_is_noticed_once_and_told(servers, caplog):
    objects = open_objects(s3.location(servers("careless")))
    assert objects.write(NAME, b"first", None)
    assert objects.write(NAME, b"second", None) is None
    assert objects.read(NAME) == b"first"
    (record,) = caplog.records
    assert "heed conditional writes" in record.getMessage()
    assert [entry.name for entry in objects.list("")] == [NAME]


@pytest.mark.parametrize("kind", ["moto", "ministack", "seaweedfs"])
def test_a_server_that_heeds_conditions_is_noticed_quietly(servers, caplog, kind):
    objects = open_objects(s3.location(servers(kind)))
    assert objects.honours_conditions()
    assert caplog.records == []
    assert list(objects.list("")) == []


def test_a_place_has_its_own_names(servers):
    endpoint = servers("ministack")
    one, other = open_objects(s3.location(endpoint)), open_objects(s3.location(endpoint))
    one.write(NAME, b"bytes")
    assert other.read(NAME) is None
    assert [entry.name for entry in one.list("v1/")] == [NAME]


@pytest.mark.parametrize("kind", ["moto", "ministack"])
def test_a_bucket_that_isnt_there_is_told(servers, kind):
    objects = open_objects(s3.location(servers(kind)).replace(s3.BUCKET, "no-such-bucket"))
    with pytest.raises(StoreError, match="no such bucket") as caught:
        objects.write(NAME, b"bytes")
    assert "create it" in caught.value.hint
    with pytest.raises(StoreError, match="no such bucket"):
        list(objects.list("v1/"))


def test_a_wrong_secret_is_told(servers, monkeypatch):
    endpoint = servers("seaweedfs")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match=r"secret key|denied"):
        open_objects(s3.location(endpoint)).write(NAME, b"bytes")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(StoreError, match=r"access key is unknown|denied"):
        open_objects(s3.location(endpoint)).read(NAME)


def test_who_may_only_read_is_told_what_is_lacking(servers, monkeypatch, tmp_path):
    location = s3.location(servers("seaweedfs"))
    open_objects(location).write(NAME, b"bytes")
    for name, value in s3.READER.items():
        monkeypatch.setenv(name, value)
    objects = open_objects(location)
    assert objects.read(NAME) == b"bytes"
    assert objects.read_to(NAME, tmp_path / "fetched") == "copy"
    for expected in (ANY, None):
        with pytest.raises(StoreError, match="access is denied") as caught:
            objects.write("v1/b", b"bytes", expected)
        assert "s3:PutObject" in caught.value.hint


def test_a_clock_that_is_off_is_told(servers, monkeypatch, tmp_path):
    objects, now = open_objects(s3.location(servers("seaweedfs"))), botocore.auth.get_current_datetime
    objects.write(NAME, b"bytes")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now() - timedelta(hours=2))
    for ask in (
        lambda: objects.write("v1/b", b"bytes"),
        lambda: objects.look(NAME),
        lambda: objects.read_to(NAME, tmp_path / "fetched", "copy", Pieces.whole(digest_bytes(b"bytes"))),
    ):
        with pytest.raises(StoreError, match="clock and the server's differ") as caught:
            ask()
        assert "set the clock" in caught.value.hint


def test_no_credentials_are_told(servers, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    objects = open_objects(s3.location(servers("seaweedfs")))
    for ask in (lambda: objects.read(NAME), lambda: objects.stat(NAME), lambda: objects.write(NAME, b"bytes")):
        with pytest.raises(StoreError, match="no usable credentials") as caught:
            ask()
        assert "AWS_PROFILE" in caught.value.hint


def test_a_bucket_that_demands_encryption_gets_it_with_everything_that_is_put(tmp_path):
    key = "arn:aws:kms:eu-west-1:123456789012:key/1"
    (tmp_path / "large").write_bytes(bytes(PIECE + 1))
    with serving("kms-only") as server:
        objects = open_objects(server.location(sse_kms_key_id=key))
        objects.write(NAME, b"bytes", None)
        objects.add_file("v1/large", tmp_path / "large")
        objects.touch(NAME)
        objects.move(NAME, "v1/b")
        assert {entry.name for entry in objects.list("v1/")} == {"v1/large", "v1/b"}
        made = [request for request in server.seen if request.makes_object]
        assert {request.headers["x-amz-server-side-encryption-aws-kms-key-id"] for request in made} == {key}
        plain = open_objects(objects.location.partition("&sse")[0])
        with pytest.raises(StoreError, match="explicit deny in a resource-based policy") as caught:
            plain.write(NAME, b"bytes")
        assert "sse=aws:kms" in caught.value.hint


def test_a_profile_that_isnt_there_is_told():
    with pytest.raises(StoreError, match="nobody"):
        open_objects("s3://team?profile=nobody")


def test_a_server_that_isnt_there_is_told_soon():
    with pytest.raises(StoreOutageError, match="can't be reached"):
        open_objects(s3.location(f"http://127.0.0.1:{s3.free_port()}")).read(NAME)


def test_ten_thousand_keys_are_known_in_few_requests(servers, monkeypatch):
    objects = open_objects(s3.location(servers("moto")))
    for number in range(3):
        objects.write(f"v1/{number}", b"")
    pages = []
    client = objects._backend.inner._line._connection.client
    listing = client.list_objects_v2
    monkeypatch.setattr(client, "list_objects_v2", lambda **asked: pages.append(1) or listing(**asked, MaxKeys=1))
    assert [entry.name for entry in objects.list("v1/")] == ["v1/0", "v1/1", "v1/2"]
    assert len(pages) == 3
